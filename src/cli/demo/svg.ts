/**
 * Draws the demo's lines as an SVG picture of a terminal, for the README.
 *
 * The text stays text: it can be selected and read aloud, and the file is small. Every piece gets its column as an x coordinate,
 * so the picture holds together whatever monospaced font the viewer has.
 */
import type { Line, Tone } from "./span.ts";

const FONT_SIZE = 13;
const CELL_WIDTH = 7.83;
const LINE_HEIGHT = 18;
const MARGIN = 18;
const TITLE_HEIGHT = 34;

const COLORS: Record<Tone, string> = {
  forced: "#56b6c2",
  sampled: "#e5c07b",
  heading: "#ffffff",
  plain: "#c8ccd4",
  dim: "#7f848e",
  good: "#98c379",
  bad: "#e06c75",
};

function escapeXml(text: string): string {
  return text.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

const round = (value: number) => Math.round(value * 100) / 100;

/** @param columns width of the terminal in characters; lines must not be longer */
export function renderSvg(lines: readonly Line[], columns: number, title: string): string {
  const width = round(columns * CELL_WIDTH + 2 * MARGIN);
  const height = TITLE_HEIGHT + lines.length * LINE_HEIGHT + MARGIN;
  const rows = lines.map((line, row) => {
    const y = TITLE_HEIGHT + (row + 1) * LINE_HEIGHT - 4;
    let column = 0;
    const pieces = line.map(({ text, tone }) => {
      const x = round(MARGIN + column * CELL_WIDTH);
      column += [...text].length;
      const length = round([...text].length * CELL_WIDTH);
      const weight = tone === "heading" ? ' font-weight="600"' : "";
      const fit = text.trim() === "" ? "" : ` textLength="${length}" lengthAdjust="spacingAndGlyphs"`;
      return `<tspan x="${x}" fill="${COLORS[tone]}"${weight}${fit}>${escapeXml(text)}</tspan>`;
    });
    return `<text y="${y}" xml:space="preserve">${pieces.join("")}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escapeXml(title)}</title>
<rect width="${width}" height="${height}" rx="8" fill="#1e2127"/>
<g fill="#3e4451"><circle cx="20" cy="17" r="5.5"/><circle cx="38" cy="17" r="5.5"/><circle cx="56" cy="17" r="5.5"/></g>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${FONT_SIZE}">
${rows.filter((row) => row.includes("tspan")).join("\n")}
</g>
</svg>
`;
}
