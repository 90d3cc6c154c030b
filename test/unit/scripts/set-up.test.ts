/** Set-up decides by content what is stale, and reads the progress of both build tools. */
import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseBuildLine } from "../../../scripts/setup/addon.mjs";
import { runTool, toolVersion } from "../../../scripts/setup/child.mjs";
import { packagesAreCurrent } from "../../../scripts/setup/packages.mjs";
import { hashInputs, readStamp, writeStamp } from "../../../scripts/setup/stamp.mjs";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "diecast-setup-"));
  await mkdir(join(folder, "src", "sub"), { recursive: true });
  await writeFile(join(folder, "src", "a.cc"), "a");
  await writeFile(join(folder, "src", "sub", "b.cc"), "b");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("hashInputs", () => {
  const hash = () => hashInputs(folder, ["src", "none"]);

  test("does not change when files are only touched", async () => {
    const before = hash();
    await utimes(join(folder, "src", "a.cc"), new Date(), new Date(2001, 1, 1));
    expect(hash()).toBe(before);
  });

  test.each([
    ["a file's content changes", () => writeFile(join(folder, "src", "a.cc"), "c")],
    ["a file appears", () => writeFile(join(folder, "src", "c.cc"), "")],
    ["a file goes", () => rm(join(folder, "src", "sub", "b.cc"))],
    [
      "content moves between files",
      async () => {
        await writeFile(join(folder, "src", "a.cc"), "");
        await writeFile(join(folder, "src", "sub", "b.cc"), "ab");
      },
    ],
  ])("changes when %s", async (_name, change) => {
    const before = hash();
    await change();
    expect(hash()).not.toBe(before);
  });

  test("leaves out what `skip` names and takes `extra` in", () => {
    const skipped = hashInputs(folder, ["src"], { skip: (name: string) => name === "src/sub/b.cc" });
    expect(skipped).toBe(hashInputs(folder, ["src/a.cc"]));
    expect(hashInputs(folder, ["src"], { extra: "x64" })).not.toBe(hashInputs(folder, ["src"], { extra: "arm64" }));
  });

  test("a stamp is read back as it was written, and is empty where there is none", () => {
    const path = join(folder, "new", "stamp");
    expect(readStamp(path)).toBe("");
    writeStamp(path, "abc");
    expect(readStamp(path)).toBe("abc");
  });
});

describe("packagesAreCurrent", () => {
  const lock = (version: string) => JSON.stringify({ packages: { "": {}, "node_modules/x": { version } } });
  const install = async (version: string) => {
    await mkdir(join(folder, "node_modules"), { recursive: true });
    await writeFile(join(folder, "node_modules", ".package-lock.json"), lock(version));
  };

  test("no without node_modules, and no when the lock file asks for another version", async () => {
    await writeFile(join(folder, "package-lock.json"), lock("1.0.0"));
    expect(packagesAreCurrent(folder)).toBe(false);
    await install("0.9.0");
    expect(packagesAreCurrent(folder)).toBe(false);
  });

  test("yes when someone installed the very versions by hand, and no after the lock file changed", async () => {
    await writeFile(join(folder, "package-lock.json"), lock("1.0.0"));
    await install("1.0.0");
    expect(packagesAreCurrent(folder)).toBe(true);
    await writeFile(join(folder, "package-lock.json"), lock("1.0.1"));
    expect(packagesAreCurrent(folder)).toBe(false);
  });
});

test.each([
  ["[12/80] Building CXX object x.o", { done: 12, total: 80 }],
  ["[ 15%] Building CXX object x.o", { done: 15, total: 100 }],
  ["[100%] Built target diecast", { done: 100, total: 100 }],
  ["x.cc:12:80: error: expected ';'", null],
  ["-- Configuring done", null],
])("reads the build's progress from %j", (line, expected) => {
  expect(parseBuildLine(line)).toEqual(expected);
});

test("a tool that does not exist is told from one that fails", async () => {
  expect(await runTool("diecast-no-such-tool", [])).toMatchObject({ missing: true });
  expect(await runTool(process.execPath, ["-e", "console.error('why'); process.exit(3)"])).toEqual({
    code: 3,
    tail: "why",
    missing: false,
  });
  expect(await toolVersion("diecast-no-such-tool")).toBe(null);
});
