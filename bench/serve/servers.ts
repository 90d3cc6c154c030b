/** The servers under test as processes of their own. */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Server {
  readonly url: string;
  readonly isOurs: boolean;
  /** Forgets the prompts that it has read, as far as it can be told to. */
  forget(): Promise<void>;
  stop(): Promise<void>;
}

export interface ServerPlan {
  readonly gguf: string;
  readonly threads: number;
  readonly clients: number;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const START_MS = 120_000;

/** Our command-line server, as `diecast serve` runs it. */
export async function startOurs(plan: ServerPlan, flags: readonly string[] = []): Promise<Server> {
  const port = await freePort();
  const args = [
    "--import",
    "tsx",
    join(ROOT, "bench/serve/server-process.ts"),
    "serve",
    "--port",
    String(port),
    "--model",
    plan.gguf,
  ];
  const sizes = ["--threads", String(plan.threads), "--batch", String(plan.clients)];
  const server = await start(process.execPath, [...args, ...sizes, ...flags], port);
  const forget = async (): Promise<void> => {
    const { status } = await fetch(`${server.url}/flush_cache`, { method: "POST" });
    if (status !== 200) throw new Error(`the server did not flush its cache: status ${status}`);
  };
  return { ...server, isOurs: true, forget };
}

/** llama-server with as many slots as clients, each with the room that our requests need. */
export async function startLlama(folder: string, plan: ServerPlan): Promise<Server> {
  const port = await freePort();
  const sizes = ["-t", String(plan.threads), "-np", String(plan.clients), "-c", String(plan.clients * 2048)];
  const args = ["-m", plan.gguf, "--port", String(port), "--jinja", ...sizes];
  return { ...(await start(join(folder, "llama-server"), args, port)), isOurs: false, forget: async () => {} };
}

async function start(command: string, args: readonly string[], port: number): Promise<Pick<Server, "url" | "stop">> {
  const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  let failure: Error | undefined;
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000);
  });
  child.once("error", (error) => {
    failure = error;
  });
  const url = `http://127.0.0.1:${port}`;
  const begin = Date.now();
  for (;;) {
    if (failure !== undefined) throw failure;
    if (child.exitCode !== null) throw new Error(`${command} ended with code ${child.exitCode}\n${errors}`);
    if (Date.now() - begin > START_MS) {
      await end(child);
      throw new Error(`${command} did not answer within ${START_MS / 1000} s\n${errors}`);
    }
    const answer = await fetch(`${url}/health`).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok) return { url, stop: () => end(child) };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(timer);
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => probe.once("error", reject).listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no free port was found");
  return address.port;
}
