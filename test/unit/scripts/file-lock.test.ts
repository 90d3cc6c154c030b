/** The lock between processes: mutual exclusion, and locks whose holder is gone. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withFileLock } from "../../../scripts/setup/file-lock.mjs";
import { ROOT } from "../../../scripts/setup/index.mjs";

let folder: string;
let lock: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "diecast-lock-"));
  lock = join(folder, "sub", "a.lock");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A process id that no longer runs. */
async function deadPid(): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, ["-p", "process.pid"]);
  return Number(stdout);
}

test("only one of several processes is inside at a time", async () => {
  const counter = join(folder, "counter");
  await writeFile(counter, "0");
  // Reading, pausing and writing back loses counts unless the lock keeps the others out.
  const script = `
    import { readFile, writeFile } from "node:fs/promises";
    import { withFileLock } from ${JSON.stringify(join(ROOT, "scripts/setup/file-lock.mjs"))};
    for (let round = 0; round < 3; round++) {
      await withFileLock(${JSON.stringify(lock)}, async () => {
        const count = Number(await readFile(${JSON.stringify(counter)}, "utf8"));
        await new Promise((resolve) => setTimeout(resolve, 20));
        await writeFile(${JSON.stringify(counter)}, String(count + 1));
      });
    }`;
  const run = () => promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  await Promise.all([run(), run(), run(), run()]);
  expect(await readFile(counter, "utf8")).toBe("12");
});

test("takes over the lock of a process that died", async () => {
  await withFileLock(lock, async () => {});
  await writeFile(lock, `${await deadPid()} ${hostname()} x`);
  expect(await withFileLock(lock, async () => "inside")).toBe("inside");
  await expect(stat(lock)).rejects.toMatchObject({ code: "ENOENT" });
});

test("takes over a lock that nobody has touched for long", async () => {
  await withFileLock(lock, async () => {});
  await writeFile(lock, `${process.pid} another-host x`);
  await utimes(lock, new Date(), new Date(Date.now() - 3_600_000));
  expect(await withFileLock(lock, async () => "inside")).toBe("inside");
});

test("waits for a living holder, says so once, and can be aborted while it waits", async () => {
  await withFileLock(lock, async () => {});
  await writeFile(lock, `${process.pid} ${hostname()} x`);
  const controller = new AbortController();
  let waits = 0;
  const run = withFileLock(lock, async () => "inside", {
    signal: controller.signal,
    onWait: () => {
      waits++;
      setTimeout(() => controller.abort(), 400);
    },
  });
  await expect(run).rejects.toThrow();
  expect(waits).toBe(1);
  expect(await readFile(lock, "utf8")).toContain("x");
});

test("gives the lock back when the body throws", async () => {
  const run = withFileLock(lock, async () => {
    throw new Error("inside");
  });
  await expect(run).rejects.toThrow("inside");
  expect(await withFileLock(lock, async () => 1)).toBe(1);
});
