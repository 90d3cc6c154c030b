/** The distributions as an SVG: one line an engine over the percentiles, times on a logarithmic scale. */
import { cpus } from "node:os";
import type { EngineFigures, MaskFigures } from "./figures.ts";

const WIDTH = 720;
const HEIGHT = 400;
const LEFT = 70;
const RIGHT = 130;
const TOP = 50;
const BOTTOM = 50;
const COLORS = ["#2563eb", "#d97706", "#059669"];
const POINTS = ["p50", "p90", "p99", "p999", "max"] as const satisfies readonly (keyof MaskFigures)[];
const LABELS = ["p50", "p90", "p99", "p99.9", "max"];

export function drawDistributions(engines: readonly EngineFigures[]): string {
  const values = engines.flatMap((e) => POINTS.map((p) => e.maskUs[p]));
  const low = Math.floor(Math.log10(Math.max(0.01, Math.min(...values))));
  const high = Math.ceil(Math.log10(Math.max(...values)));
  const x = (i: number) => LEFT + (i * (WIDTH - LEFT - RIGHT)) / (POINTS.length - 1);
  const y = (us: number) =>
    HEIGHT - BOTTOM - ((Math.log10(Math.max(us, 0.01)) - low) * (HEIGHT - TOP - BOTTOM)) / (high - low);
  const parts: string[] = [];
  const text = (px: number, py: number, anchor: string, content: string, fill = "#374151") =>
    parts.push(
      `<text x="${px.toFixed(1)}" y="${py.toFixed(1)}" text-anchor="${anchor}" fill="${fill}">${content}</text>`,
    );
  for (let decade = low; decade <= high; decade++) {
    const py = y(10 ** decade);
    parts.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${py}" y2="${py}" stroke="#e5e7eb"/>`);
    text(LEFT - 8, py + 4, "end", decade < 3 ? `${10 ** decade} µs` : `${10 ** (decade - 3)} ms`);
  }
  for (const [i, label] of LABELS.entries()) text(x(i), HEIGHT - BOTTOM + 20, "middle", label);
  engines.forEach((engine, k) => {
    const color = COLORS[k % COLORS.length]!;
    const points = POINTS.map((p, i) => `${x(i).toFixed(1)},${y(engine.maskUs[p]).toFixed(1)}`);
    parts.push(`<polyline points="${points.join(" ")}" fill="none" stroke="${color}" stroke-width="2.5"/>`);
    for (const point of points) {
      const [cx, cy] = point.split(",");
      parts.push(`<circle cx="${cx}" cy="${cy}" r="3.5" fill="${color}"/>`);
    }
    text(x(POINTS.length - 1) + 10, y(engine.maskUs.max) + 4, "start", engine.engine, color);
  });
  const rows = engines[0]?.rows ?? 0;
  text(
    LEFT,
    24,
    "start",
    `Token mask + commit, ${rows} MaskBench schemas, ${cpus()[0]?.model ?? ""} (lower is better)`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="#fff"/>${parts.join("")}</svg>\n`;
}
