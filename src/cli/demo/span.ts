/** The demo's output as data: lines of text pieces with a tone. The terminal and the picture both draw from it. */

export type Tone =
  /** Text that the schema left no choice about. */
  | "forced"
  /** Text that the model chose. */
  | "sampled"
  | "heading"
  | "plain"
  | "dim"
  | "good"
  | "bad";

export interface Span {
  readonly text: string;
  readonly tone: Tone;
}

export type Line = readonly Span[];

export const span = (text: string, tone: Tone = "plain"): Span => ({ text, tone });

/** Splits pieces of text that may contain line breaks into lines, and lines longer than `width` at that width. */
export function toLines(spans: readonly Span[], width: number): Line[] {
  const lines: Span[][] = [[]];
  let column = 0;
  for (const { text, tone } of spans) {
    for (const [index, part] of text.split("\n").entries()) {
      if (index > 0) {
        lines.push([]);
        column = 0;
      }
      for (let rest = [...part]; rest.length > 0; ) {
        if (column === width) {
          lines.push([]);
          column = 0;
        }
        const piece = rest.slice(0, width - column);
        rest = rest.slice(piece.length);
        column += piece.length;
        const line = lines.at(-1);
        const last = line?.at(-1);
        // Neighbours of one tone become one piece: fewer escapes and elements.
        if (line && last && last.tone === tone) line[line.length - 1] = span(last.text + piece.join(""), tone);
        else line?.push(span(piece.join(""), tone));
      }
    }
  }
  return lines;
}
