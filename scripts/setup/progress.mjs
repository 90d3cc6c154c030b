/**
 * One progress bar for the build and for downloads: a bar on a terminal, else a line every few seconds.
 *
 * Loads cli-progress late, because this module's users start before the packages are installed.
 */
import { hasColor } from "./terminal.mjs";

const LINE_EVERY_MS = 3_000;

/** "93.8 MB" */
export function formatBytes(bytes) {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(0)} kB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

/**
 * @param {string} label what is going on, e.g. "building"
 * @param {(value: number) => string} [format] writes a count for people
 * @returns {Promise<{ update(done: number, total: number): void, stop(): void }>}
 */
export async function startProgress(label, format = String) {
  const stream = process.stderr;
  const counts = (done, total) => (total > 0 ? `${format(done)}/${format(total)}` : format(done));
  if (!stream.isTTY) {
    let lastMs = Date.now();
    return {
      update(done, total) {
        if (Date.now() - lastMs < LINE_EVERY_MS) return;
        lastMs = Date.now();
        const percent = total > 0 ? ` ${Math.floor((100 * done) / total)} %` : "";
        stream.write(`diecast ${label}${percent} (${counts(done, total)})\n`);
      },
      stop() {},
    };
  }
  const { default: cliProgress } = await import("cli-progress");
  const name = hasColor(stream) ? `\u001b[36mdiecast\u001b[0m ${label}` : `diecast ${label}`;
  const bar = new cliProgress.SingleBar({
    stream,
    format: `${name} {bar} {percentage} % · {counts}`,
    barsize: 28,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    hideCursor: true,
    clearOnComplete: true,
    fps: 10,
  });
  bar.start(1, 0, { counts: "" });
  return {
    update(done, total) {
      bar.setTotal(Math.max(total, done, 1));
      bar.update(total > 0 ? done : 0, { counts: counts(done, total) });
    },
    stop() {
      bar.stop();
    },
  };
}
