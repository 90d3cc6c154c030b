/**
 * Fetches a file of the Hugging Face hub through `@huggingface/hub`, resuming by range requests.
 *
 * Bytes go to a part file; beside it lies which version of the remote file (ETag and size) they are of. An interrupted download
 * goes on where it stopped if the version is still the same. Broken connections are retried as long as each try gets further.
 * Files in large storage carry their SHA-256 as ETag; it is checked at the end.
 *
 * `HF_ENDPOINT` names another hub, `HF_TOKEN` an access token, as in other programs that use the hub.
 */
import { createWriteStream } from "node:fs";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { downloadFile, type FileDownloadInfoOutput, fileDownloadInfo, listFiles } from "@huggingface/hub";
import { DiecastError } from "../../errors.ts";
import { hashFile } from "./cache.ts";
import type { ProgressListener } from "./progress.ts";
import type { HubRef } from "./reference.ts";

const MAX_TRIES_WITHOUT_PROGRESS = 4;
const FIRST_PAUSE_MS = 500;
const STALL_MS = 60_000;

interface FetchOptions {
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

/** What every call of the hub's library needs. */
function hubParams(ref: HubRef, signal?: AbortSignal) {
  const accessToken = process.env.HF_TOKEN;
  const hubUrl = process.env.HF_ENDPOINT;
  return {
    repo: ref.repo,
    revision: ref.revision,
    ...(hubUrl ? { hubUrl: hubUrl.replace(/\/$/, "") } : {}),
    ...(accessToken ? { accessToken } : {}),
    fetch: ((input: string | URL | Request, init?: RequestInit) =>
      fetch(input, { ...init, ...(signal ? { signal } : {}) })) as typeof fetch,
  };
}

function failed(ref: HubRef, error: unknown): DiecastError {
  if (DiecastError.is(error)) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : "";
  const why = error instanceof Error ? `${error.message}${cause}` : String(error);
  return new DiecastError(
    "MODEL_FETCH_FAILED",
    `hf:${ref.repo} can't be fetched (${why}); check the name, the network and HF_TOKEN, ` +
      "or set DIECAST_MODEL=path/to/model.gguf to use a file that you have",
    {},
    { cause: error },
  );
}

/** Names the file of a reference that has none: the repository's only GGUF file. */
export async function chooseHubFile(ref: HubRef, signal?: AbortSignal): Promise<HubRef & { readonly file: string }> {
  if (ref.file !== undefined) return { ...ref, file: ref.file };
  const files: string[] = [];
  try {
    for await (const entry of listFiles({ ...hubParams(ref, signal), recursive: true })) {
      if (entry.type === "file" && entry.path.endsWith(".gguf")) files.push(entry.path);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw failed(ref, error);
  }
  const [file] = files;
  if (file !== undefined && files.length === 1) return { ...ref, file };
  throw new DiecastError(
    "MODEL_UNKNOWN",
    files.length === 0
      ? `hf:${ref.repo} holds no GGUF file`
      : `hf:${ref.repo} holds ${files.length} GGUF files; name one: ${files.slice(0, 20).join(", ")}`,
  );
}

/** How many bytes of this very version of the file lie in the part file. */
async function bytesToKeep(partPath: string, version: string): Promise<number> {
  try {
    if ((await readFile(`${partPath}.version`, "utf8")) !== version) return 0;
    return (await stat(partPath)).size;
  } catch {
    return 0;
  }
}

/** Hands chunks through; fails when none comes for STALL_MS. */
async function* withStallLimit(chunks: AsyncIterable<Uint8Array>, onBytes: (count: number) => void) {
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const stalled = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no data for ${STALL_MS / 1000} s`)), STALL_MS);
      });
      const next = await Promise.race([iterator.next(), stalled]).finally(() => clearTimeout(timer));
      if (next.done) return;
      onBytes(next.value.length);
      yield next.value;
    }
  } finally {
    void iterator.return?.().catch(() => {});
  }
}

/** One try: appends what is missing. @returns the part file's size afterwards */
async function appendRest(
  ref: HubRef & { readonly file: string },
  info: FileDownloadInfoOutput,
  partPath: string,
  start: number,
  { onProgress, signal }: FetchOptions,
): Promise<void> {
  const blob = await downloadFile({ ...hubParams(ref, signal), path: ref.file, downloadInfo: info });
  if (!blob) throw new Error(`no file ${ref.file}`);
  let done = start;
  const chunks = Readable.fromWeb(blob.slice(start).stream() as Parameters<typeof Readable.fromWeb>[0]);
  const counted = withStallLimit(chunks, (count) => {
    done += count;
    onProgress?.({ phase: "download", done, total: info.size });
  });
  await pipeline(counted, createWriteStream(partPath, { flags: start > 0 ? "a" : "w" }), signal ? { signal } : {});
}

/**
 * Downloads the file to `partPath`, going on with what is there.
 * @returns its SHA-256
 * @throws {DiecastError} MODEL_FETCH_FAILED; the part file stays for the next try unless its content was wrong
 */
export async function fetchFromHub(
  ref: HubRef & { readonly file: string },
  partPath: string,
  options: FetchOptions = {},
): Promise<string> {
  const { onProgress, signal } = options;
  let info: FileDownloadInfoOutput | null;
  try {
    info = await fileDownloadInfo({ ...hubParams(ref, signal), path: ref.file });
  } catch (error) {
    signal?.throwIfAborted();
    throw failed(ref, error);
  }
  if (!info) throw failed(ref, new Error(`no file ${ref.file} at revision ${ref.revision}`));
  const version = `${info.etag} ${info.size}`;
  await mkdir(dirname(partPath), { recursive: true });
  let have = await bytesToKeep(partPath, version);
  await writeFile(`${partPath}.version`, version);
  if (have > info.size) have = 0;
  for (let tries = 0; have < info.size; ) {
    try {
      await appendRest(ref, info, partPath, have, options);
    } catch (error) {
      signal?.throwIfAborted();
      const now = await stat(partPath).catch(() => null);
      const gained = (now?.size ?? 0) > have;
      tries = gained ? 1 : tries + 1;
      if (tries >= MAX_TRIES_WITHOUT_PROGRESS) throw failed(ref, error);
      await sleep(FIRST_PAUSE_MS * 2 ** (tries - 1), undefined, signal ? { signal } : {});
    }
    have = (await stat(partPath).catch(() => null))?.size ?? 0;
    if (have > info.size) {
      await rm(partPath, { force: true });
      throw failed(ref, new Error(`more than the announced ${info.size} bytes arrived`));
    }
  }
  onProgress?.({ phase: "verify", done: info.size, total: info.size });
  const sha256 = await hashFile(partPath, signal);
  const wanted = /^"?([0-9a-f]{64})"?$/.exec(info.etag)?.[1];
  if (wanted !== undefined && wanted !== sha256) {
    await rm(partPath, { force: true });
    throw failed(ref, new Error(`${ref.file} arrived damaged: SHA-256 ${sha256} instead of ${wanted}`));
  }
  await rm(`${partPath}.version`, { force: true });
  return sha256;
}
