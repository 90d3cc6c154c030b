/**
 * The options of a script that runs before there are packages: --help, and a line instead of a stack for a wrong option.
 */
import { parseArgs } from "node:util";

/**
 * Parses the command line. `--help` prints the usage and ends the process with 0, a wrong option with 2.
 *
 * @param {string} usage the whole help text
 * @param {import("node:util").ParseArgsConfig["options"]} options as parseArgs takes them
 */
export function parseOptions(usage, options) {
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: "boolean", short: "h" } } });
    if (!values.help) return values;
    process.stdout.write(`${usage}\n`);
    process.exit(0);
  } catch (error) {
    refuse(usage, error.message);
  }
}

/** The number of an option that takes a whole one; anything else ends the process with 2. */
export function wholeNumberOption(usage, name, text) {
  if (!/^\d{1,9}$/.test(text)) refuse(usage, `--${name} must be a whole number, not ${JSON.stringify(text)}`);
  return Number(text);
}

function refuse(usage, message) {
  process.stderr.write(`${message}\n\n${usage}\n`);
  process.exit(2);
}
