/**
 * What set-up says to a person: short lines on stderr, so that the standard output of a command stays its result.
 *
 * Plain Node without packages, because on a fresh clone there are none yet.
 */

/** True when colour may be used on `stream`: NO_COLOR wins, then FORCE_COLOR, then whether it is a terminal. */
export function hasColor(stream = process.stderr) {
  if (process.env.NO_COLOR) return false;
  if (process.env.FORCE_COLOR && process.env.FORCE_COLOR !== "0") return true;
  return stream.isTTY === true && process.env.TERM !== "dumb";
}

function paint(code, text) {
  return hasColor() ? `\u001b[${code}m${text}\u001b[0m` : text;
}

/** One line about a step that begins or ended. */
export function say(text) {
  process.stderr.write(`${paint("36", "diecast")} ${text}\n`);
}

/** A failure that the user can do something about: what went wrong, and the remedy. */
export class SetupError extends Error {
  name = "SetupError";

  /**
   * @param {string} message what happened
   * @param {string} remedy what to do, one or more lines
   * @param {string} [log] the tail of a tool's output
   */
  constructor(message, remedy, log = "") {
    super(message);
    this.remedy = remedy;
    this.log = log;
  }
}

/** Prints a failure of set-up and returns the exit code. Anything but a SetupError is a bug and keeps its stack. */
export function reportFailure(error) {
  if (!(error instanceof SetupError)) {
    process.stderr.write(`${error?.stack ?? error}\n`);
    return 1;
  }
  if (error.log) process.stderr.write(`${paint("2", error.log.trimEnd())}\n`);
  process.stderr.write(`${paint("31", "set-up failed:")} ${error.message}\n`);
  for (const line of error.remedy.split("\n")) process.stderr.write(`  ${line}\n`);
  return 1;
}
