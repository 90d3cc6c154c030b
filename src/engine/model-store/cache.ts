/**
 * The folder in which fetched models lie, and the proof that a file in it is whole.
 *
 * Beside each model lies `<file>.json` with its source, size and SHA-256 as they were when the file was complete, and its
 * modification time. A file counts as intact when size and time still agree; if the time differs it is hashed again. So
 * a start reads no hundred megabytes for nothing, and a truncated or rewritten file is never loaded. `verifyModel` hashes always.
 *
 * Files only ever appear by rename, after they were verified under another name.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import type { HubRef, PypiRef } from "./reference.ts";

/** What is known about a complete file. */
export interface ModelRecord {
  /** Canonical model reference. */
  readonly source: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Modification time of the file that was hashed. */
  readonly mtimeMs: number;
}

/** `DIECAST_CACHE`, else `$XDG_CACHE_HOME/diecast`, else `~/.cache/diecast`. */
export function cacheFolder(): string {
  const own = process.env.DIECAST_CACHE;
  if (own) return resolve(own);
  const xdg = process.env.XDG_CACHE_HOME;
  return join(xdg ? resolve(xdg) : join(homedir(), ".cache"), "diecast");
}

/** Where the file of `ref` lies, whether it is there or not. */
export function cachedPath(folder: string, ref: PypiRef | (HubRef & { readonly file: string })): string {
  return ref.kind === "pypi"
    ? join(folder, "models", "pypi", ref.package, ref.version, ref.member)
    : join(folder, "models", "hf", ref.repo, ref.revision, ref.file);
}

export async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, signal ? { signal } : {});
  return hash.digest("hex");
}

async function fileStat(path: string) {
  try {
    const info = await stat(path);
    return info.isFile() ? info : null;
  } catch {
    return null;
  }
}

/** The record beside `path`, or null if there is none or it can't be read. */
export async function readRecord(path: string): Promise<ModelRecord | null> {
  try {
    const record: unknown = JSON.parse(await readFile(`${path}.json`, "utf8"));
    if (typeof record !== "object" || record === null) return null;
    const { source, bytes, sha256, mtimeMs } = record as Partial<Record<keyof ModelRecord, unknown>>;
    if (typeof source !== "string" || typeof sha256 !== "string") return null;
    if (typeof bytes !== "number" || typeof mtimeMs !== "number") return null;
    return { source, bytes, sha256, mtimeMs };
  } catch {
    return null;
  }
}

async function writeRecord(path: string, record: ModelRecord): Promise<void> {
  const partPath = `${path}.json.${process.pid}.part`;
  await writeFile(partPath, `${JSON.stringify(record, null, 2)}\n`);
  await rename(partPath, `${path}.json`);
}

/**
 * Whether the file at `path` is whole. `expectedSha256` is set for models whose digest is known beforehand; they need no record.
 * @param always hash the file even if size and time agree with the record
 */
export async function isIntact(
  path: string,
  source: string,
  { expectedSha256, always = false, signal }: { expectedSha256?: string; always?: boolean; signal?: AbortSignal } = {},
): Promise<boolean> {
  const info = await fileStat(path);
  if (!info) return false;
  const record = await readRecord(path);
  const sha256 = expectedSha256 ?? record?.sha256;
  if (sha256 === undefined) return false;
  if (record) {
    if (record.sha256 !== sha256 || record.bytes !== info.size) return false;
    if (!always && record.mtimeMs === info.mtimeMs) return true;
  }
  if ((await hashFile(path, signal)) !== sha256) return false;
  await writeRecord(path, { source, bytes: info.size, sha256, mtimeMs: info.mtimeMs });
  return true;
}

/** Moves a verified file to its place and writes its record. */
export async function publish(partPath: string, path: string, source: string, sha256: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await rm(`${path}.json`, { force: true });
  await rename(partPath, path);
  const info = await stat(path);
  await writeRecord(path, { source, bytes: info.size, sha256, mtimeMs: info.mtimeMs });
}

export interface CachedModel {
  readonly path: string;
  readonly record: ModelRecord;
}

/** All complete models of the cache, by path. */
export async function listCached(folder: string): Promise<CachedModel[]> {
  const root = join(folder, "models");
  let names: string[];
  try {
    names = await readdir(root, { recursive: true });
  } catch {
    return [];
  }
  const models: CachedModel[] = [];
  for (const name of names.sort()) {
    if (!basename(name).endsWith(".json")) continue;
    const path = join(root, name.slice(0, -".json".length));
    const record = await readRecord(path);
    if (record && (await fileStat(path))) models.push({ path, record });
  }
  return models;
}
