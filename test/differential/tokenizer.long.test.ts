/**
 * The native tokenizer against the `tokenizers` package itself, over texts from a fresh seed. Needs a Python with the PyPI packages
 * `tokenizers` and `gguf` (DIECAST_PYTHON names it; else python3) and the default model; says what it skips without them.
 */

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

import { loadBinding } from "../../src/engine/binding.ts";
import { differences, LLAMA3_JSON, llama3Tokenizer, modelPathOr, parseCases } from "../support/tokenizer-fixtures.ts";

const TEXTS_PER_GENERATOR = "4000";
const reference = fileURLToPath(new URL("../fixtures/tokenizer/reference.py", import.meta.url));
const python = process.env.DIECAST_PYTHON ?? "python3";
const model = modelPathOr("the tokenizer comparison");
const hasPackages = spawnSync(python, ["-c", "import tokenizers, gguf"]).status === 0;
if (!hasPackages) {
  console.log(
    `skipped: the tokenizer comparison (${python} lacks the PyPI packages tokenizers and gguf; see DIECAST_PYTHON)`,
  );
}

test.runIf(model !== undefined && hasPackages)(
  "ids equal the package's on freshly generated texts",
  { timeout: 600_000 },
  () => {
    const seed = process.env.DIECAST_SEED ?? String(Date.now() % 1_000_000);
    console.log(`tokenizer comparison: DIECAST_SEED=${seed}`);
    const path = model as string;
    const run = spawnSync(python, [reference, path, LLAMA3_JSON, seed, TEXTS_PER_GENERATOR], {
      encoding: "utf8",
      maxBuffer: 1 << 30,
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
    });
    expect(run.stderr).toBe("");
    expect(run.status).toBe(0);
    const cases = parseCases(run.stdout);
    expect(cases.length).toBeGreaterThan(40_000);
    expect(differences(loadBinding().Tokenizer.fromGguf(path), "smollm2", cases).slice(0, 3)).toEqual([]);
    expect(differences(llama3Tokenizer(), "llama3", cases).slice(0, 3)).toEqual([]);
  },
);
