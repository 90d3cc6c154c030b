/**
 * A lock between processes: a file that only one of them can create.
 *
 * Who holds it writes its process id and host into the file and touches it every two seconds. A lock is stale when its
 * holder is a dead process of this host, or when nobody has touched it for a minute (another host, or a process id used again).
 * A stale lock is taken away under a second lock file, so that two waiters never take away each other's new lock.
 * Rejected: flock(2), which Node does not offer and network file systems may not honour.
 */
import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";

const HEARTBEAT_MS = 2_000;
const STALE_AFTER_MS = 60_000;
const STEAL_LOCK_STALE_MS = 10_000;
const POLL_MS = 150;

/** Creates `path` with `text` if it doesn't exist; false if it does. */
async function createExclusive(path, text) {
  try {
    const handle = await open(path, "wx");
    await handle.writeFile(text);
    await handle.close();
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** @returns the lock's text if it is stale, else null (held, or already gone). */
async function staleText(path) {
  try {
    const [text, info] = await Promise.all([readFile(path, "utf8"), stat(path)]);
    const idleMs = Date.now() - info.mtimeMs;
    const [pid, host] = text.split(" ");
    // An empty file is one whose holder has not yet written its name: give it the full time.
    if (host === hostname() && !isAlive(Number(pid))) return text;
    return idleMs > STALE_AFTER_MS ? text : null;
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
}

async function removeStale(path) {
  if ((await staleText(path)) === null) return;
  const stealPath = `${path}.steal`;
  if (!(await createExclusive(stealPath, String(process.pid)))) {
    const info = await stat(stealPath).catch(() => null);
    if (info && Date.now() - info.mtimeMs > STEAL_LOCK_STALE_MS) await rm(stealPath, { force: true });
    return;
  }
  try {
    if ((await staleText(path)) !== null) await rm(path, { force: true });
  } finally {
    await rm(stealPath, { force: true });
  }
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve(undefined);
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Runs `body` while holding the lock at `path`; waits for it first.
 *
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} body
 * @param {{ onWait?: () => void, signal?: AbortSignal }} [options] `onWait` is called once, if another process holds the lock
 * @returns {Promise<T>}
 */
export async function withFileLock(path, body, { onWait, signal } = {}) {
  await mkdir(dirname(path), { recursive: true });
  const mine = `${process.pid} ${hostname()} ${randomUUID()}`;
  for (let tries = 0; !(await createExclusive(path, mine)); tries++) {
    if (tries === 1) onWait?.();
    await removeStale(path);
    await pause(POLL_MS, signal);
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await body();
  } finally {
    clearInterval(heartbeat);
    const text = await readFile(path, "utf8").catch(() => "");
    if (text === mine) await rm(path, { force: true });
  }
}
