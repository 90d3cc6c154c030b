/** A small bar chart as SVG: for each name our figure and the one it is compared with. */

export interface BarFigure {
  readonly name: string;
  readonly ours: number;
  /** Null: nothing to compare with. */
  readonly peer: number | null;
  readonly unit: string;
}

const WIDTH = 720;
const ROW = 46;
const LEFT = 170;
const RIGHT = 110;
const TOP = 48;

/** Bars are scaled within a row, since rows may differ in unit; the longer of the two fills it. */
export function drawBars(title: string, figures: readonly BarFigure[]): string {
  const height = TOP + figures.length * ROW + 12;
  const parts = [`<text x="16" y="26" fill="#111827">${escapeText(title)}</text>`];
  figures.forEach(({ name, ours, peer, unit }, i) => {
    const y = TOP + i * ROW;
    const longest = Math.max(ours, peer ?? 0) || 1;
    parts.push(`<text x="${LEFT - 10}" y="${y + 22}" text-anchor="end" fill="#374151">${escapeText(name)}</text>`);
    const bar = (value: number, offset: number, color: string): void => {
      const width = ((WIDTH - LEFT - RIGHT) * value) / longest;
      const label = `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ${escapeText(unit)}`;
      parts.push(`<rect x="${LEFT}" y="${y + offset}" width="${width.toFixed(1)}" height="15" fill="${color}"/>`);
      parts.push(`<text x="${(LEFT + width + 6).toFixed(1)}" y="${y + offset + 12}" fill="${color}">${label}</text>`);
    };
    bar(ours, 2, "#2563eb");
    if (peer !== null) bar(peer, 20, "#9a6700");
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>${parts.join("")}</svg>\n`;
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
