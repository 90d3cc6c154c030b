/** A stand-in for a model hub on the loopback interface: range requests, ETags, and connections that break on demand. */
import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface FakeHub {
  readonly url: string;
  /** First byte of each range that was asked for, in order; the one-byte probes are left out. */
  readonly starts: number[];
  /** Bytes after which a response is cut; each entry serves one response. */
  readonly cuts: number[];
  content: Buffer;
  etag: string;
  close(): Promise<void>;
}

export function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Serves `content` as org/name/model.gguf and lists `files` as the repository's. */
export async function startFakeHub(content: Buffer, files: readonly string[] = ["model.gguf"]): Promise<FakeHub> {
  const hub = { starts: [] as number[], cuts: [] as number[], content, etag: sha256(content) };
  const server: Server = createServer((request, response) => {
    const path = new URL(request.url ?? "", "http://hub").pathname;
    if (path === "/api/models/org/name/tree/main") {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(files.map((name) => ({ type: "file", path: name, size: 1, oid: "0" }))));
      return;
    }
    if (path !== "/org/name/resolve/main/model.gguf") {
      response.writeHead(404, { "x-error-code": "EntryNotFound" }).end();
      return;
    }
    const [, from, to] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "") ?? [];
    const start = Number(from ?? 0);
    const end = to ? Number(to) : hub.content.length - 1;
    const body = hub.content.subarray(start, end + 1);
    response.writeHead(206, {
      etag: `"${hub.etag}"`,
      "content-length": body.length,
      "content-range": `bytes ${start}-${end}/${hub.content.length}`,
    });
    if (body.length === 1) {
      response.end(body);
      return;
    }
    hub.starts.push(start);
    const cut = hub.cuts.shift();
    if (cut === undefined) response.end(body);
    else response.write(body.subarray(0, cut), () => setTimeout(() => response.destroy(), 20));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(hub, {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  });
}
