/**
 * Tells whether a step's result still belongs to its inputs: a hash over the inputs' names and contents, kept beside the result.
 *
 * Contents, not times: a fresh clone, a branch switch and a touched file must not cause work. Hashing all sources takes some
 * tens of milliseconds.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";

/** All files under `path` (or itself), sorted by name. */
function* filesUnder(path) {
  if (!existsSync(path)) return;
  if (!statSync(path).isDirectory()) {
    yield path;
    return;
  }
  for (const name of readdirSync(path).sort()) yield* filesUnder(join(path, name));
}

/**
 * @param {string} root folder that the names in the hash are relative to
 * @param {string[]} inputs files and folders
 * @param {{ extra?: string, skip?: (name: string) => boolean }} [options] `extra` goes into the hash too
 */
export function hashInputs(root, inputs, { extra = "", skip = () => false } = {}) {
  const hash = createHash("sha256").update(extra);
  for (const input of inputs) {
    for (const file of filesUnder(join(root, input))) {
      const name = relative(root, file).split(sep).join("/");
      if (skip(name)) continue;
      const content = readFileSync(file);
      hash.update(`\0${name}\0${content.length}\0`).update(content);
    }
  }
  return hash.digest("hex");
}

/** The hash kept at `path`, or "" if there is none. */
export function readStamp(path) {
  return existsSync(path) ? readFileSync(path, "utf8").trim() : "";
}

export function writeStamp(path, hash) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${hash}\n`);
}
