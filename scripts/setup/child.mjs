/** Runs a tool, hands its output on line by line and keeps the tail for error messages. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const TAIL_LINES = 60;

/**
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, onLine?: (line: string) => void }} [options]
 * @returns {Promise<{ code: number, tail: string, missing: boolean }>} `missing`: there is no such program
 */
export function runTool(command, args, { cwd, env, onLine } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env: env ?? process.env, stdio: ["ignore", "pipe", "pipe"] });
    const tail = [];
    const take = (line) => {
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
      onLine?.(line);
    };
    createInterface({ input: child.stdout }).on("line", take);
    createInterface({ input: child.stderr }).on("line", take);
    // An interrupted set-up must not leave compilers running behind it.
    const stop = () => child.kill("SIGTERM");
    process.once("exit", stop);
    const finish = (result) => {
      process.off("exit", stop);
      resolve(result);
    };
    child.on("error", (error) => finish({ code: 127, tail: String(error.message), missing: error.code === "ENOENT" }));
    child.on("close", (code) => finish({ code: code ?? 1, tail: tail.join("\n"), missing: false }));
  });
}

/** First line of `command --version`, or null when it isn't installed or doesn't work. */
export async function toolVersion(command) {
  const lines = [];
  const { code } = await runTool(command, ["--version"], { onLine: (line) => lines.push(line) });
  return code === 0 ? (lines[0] ?? "") : null;
}
