/** ggufInfo and dequantize through the addon; native/test/gguf_test.cc covers the reader's refusals one by one. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";

import { loadBinding } from "../../src/engine/binding.ts";
import { modelPathOr } from "../support/tokenizer-fixtures.ts";

const model = modelPathOr("ggufInfo over the default model");
const folder = mkdtempSync(join(tmpdir(), "diecast-gguf-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("ggufInfo", () => {
  test.runIf(model)("gives scalars, the shape of arrays, and every tensor", () => {
    const info = loadBinding().ggufInfo(model as string);
    expect(info.metadata["general.architecture"]).toBe("llama");
    expect(info.metadata["llama.block_count"]).toBe(30);
    expect(info.metadata["tokenizer.ggml.add_bos_token"]).toBe(false);
    expect(info.metadata["tokenizer.ggml.tokens"]).toEqual({ type: "string", length: 49152 });
    expect(info.tensors).toHaveLength(272);
    expect(info.tensors[0]).toEqual({
      name: "token_embd.weight",
      type: "Q8_0",
      dims: [576, 49152],
      bytes: (576 / 32) * 34 * 49152,
    });
  });

  test("refuses a missing file and one that is no GGUF file", () => {
    const { ggufInfo } = loadBinding();
    const path = join(folder, "text.gguf");
    writeFileSync(path, "this is not a model");
    const refused = expect.objectContaining({ code: "MODEL_INVALID" });
    expect(() => ggufInfo(join(folder, "none.gguf"))).toThrow(refused);
    expect(() => ggufInfo(path)).toThrow(refused);
    expect(() => ggufInfo(path)).toThrow(/text\.gguf: damaged GGUF file: magic at byte 0/);
  });
});

describe("dequantize", () => {
  test("expands blocks by type name or number", () => {
    const { dequantize } = loadBinding();
    expect([...dequantize("F16", Uint8Array.of(0x00, 0x3c, 0x00, 0xc0), 2)]).toEqual([1, -2]);
    // Q8_0: a half-float scale of 2, then 32 int8.
    const block = new Uint8Array(34);
    block.set([0x00, 0x40, 3, 255]);
    expect([...dequantize(8, block, 32)].slice(0, 3)).toEqual([6, -2, 0]);
  });

  test("refuses unknown types and sizes that do not match", () => {
    const { dequantize } = loadBinding();
    const code = (name: string) => expect.objectContaining({ code: name });
    expect(() => dequantize("Q9_9", new Uint8Array(4), 1)).toThrow(code("MODEL_UNSUPPORTED"));
    expect(() => dequantize(4, new Uint8Array(4), 1)).toThrow(code("MODEL_UNSUPPORTED"));
    expect(() => dequantize("Q8_0", new Uint8Array(33), 32)).toThrow(code("INVALID_ARGUMENT"));
    expect(() => dequantize("Q8_0", new Uint8Array(34), 31)).toThrow(code("INVALID_ARGUMENT"));
    expect(() => dequantize("F32", new Uint8Array(4), -1)).toThrow(code("INVALID_ARGUMENT"));
  });
});
