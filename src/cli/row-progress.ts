/** Prints results as they come, at the pace of whoever reads them, with a bar on the terminal that says how much of a file is done. */
import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { formatBytes, startProgress } from "../../scripts/setup/progress.mjs";
import type { LineReader } from "./lines.ts";

const UPDATE_EVERY_MS = 100;
const CLEAR_LINE = "\r\u001b[2K";

export class RowProgress {
  readonly #reader: LineReader;
  readonly #bar: Awaited<ReturnType<typeof startProgress>> | undefined;
  readonly #totalBytes: number;
  #lastMs = performance.now();

  private constructor(reader: LineReader, bar: Awaited<ReturnType<typeof startProgress>> | undefined, total: number) {
    this.#reader = reader;
    this.#bar = bar;
    this.#totalBytes = total;
  }

  /** There is a bar only on a terminal, and only where the end is known. */
  static async start(reader: LineReader): Promise<RowProgress> {
    const total = process.stderr.isTTY ? reader.totalBytes : undefined;
    const bar = total === undefined ? undefined : await startProgress("testing", formatBytes);
    return new RowProgress(reader, bar, total ?? 0);
  }

  /** Lets the bar be drawn, once in a while. */
  async update(): Promise<void> {
    if (this.#bar === undefined || performance.now() - this.#lastMs < UPDATE_EVERY_MS) return;
    this.#bar.update(this.#reader.bytesRead, this.#totalBytes);
    await nextTurn();
    this.#lastMs = performance.now();
  }

  /** Waits for a slow reader, so that results don't pile up in memory. */
  async print(lines: readonly string[]): Promise<void> {
    if (this.#bar !== undefined && process.stdout.isTTY) process.stderr.write(CLEAR_LINE);
    if (!process.stdout.write(`${lines.join("\n")}\n`)) await once(process.stdout, "drain");
  }

  stop(): void {
    this.#bar?.stop();
  }
}
