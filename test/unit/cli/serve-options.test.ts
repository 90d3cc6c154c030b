/** What the flags of `diecast serve` mean for the engine and the service. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, describe, expect, test } from "vitest";
import { UsageError } from "../../../src/cli/exit-codes.ts";
import { addServeCommand, serveOptions } from "../../../src/cli/serve-command.ts";

const folder = mkdtempSync(join(tmpdir(), "diecast-serve-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** As the command parses them. */
function optionsOf(...args: readonly string[]) {
  const program = new Command();
  addServeCommand(program);
  const serve = program.commands[0]!.action(() => {});
  serve.parse(args, { from: "user" });
  return serveOptions(serve.opts());
}

describe("flags of serve", () => {
  test("--queue bounds the requests of the service and of the engine", async () => {
    const { engine, app } = await optionsOf("--queue", "2000");
    expect([engine.maxQueue, app.limits?.maxRequests]).toEqual([2000, 2000]);
    const usual = await optionsOf();
    expect([usual.engine.maxQueue, usual.app.limits?.maxRequests]).toEqual([4096, 4096]);
  });

  test("--round-tokens and --key-weights say how keys take turns", async () => {
    const file = join(folder, "weights.json");
    writeFileSync(file, '{"sk-one": 3}');
    const { engine, app } = await optionsOf("--round-tokens", "77", "--key-weights", file);
    expect(engine.roundTokens).toBe(77);
    expect(app.keyWeights).toEqual(new Map([["sk-one", 3]]));
    expect((await optionsOf()).engine.roundTokens).toBe(1024);
  });

  test("wrong ones are refused", async () => {
    const file = join(folder, "wrong.json");
    writeFileSync(file, '{"sk-one": -1}');
    for (const args of [
      ["--queue", "0"],
      ["--round-tokens", "x"],
      ["--key-weights", file],
      ["--key-weights", "none.json"],
    ])
      await expect(optionsOf(...args), args.join(" ")).rejects.toBeInstanceOf(UsageError);
  });
});
