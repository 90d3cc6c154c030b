/** The demo's picture: lines are broken where one would, and the SVG holds the text as text. */
import { describe, expect, test } from "vitest";
import { span, toLines } from "../../../src/cli/demo/span.ts";
import { renderSvg } from "../../../src/cli/demo/svg.ts";

describe("toLines", () => {
  const text = (lines: ReturnType<typeof toLines>) => lines.map((line) => line.map((piece) => piece.text).join(""));

  test("breaks at line breaks, empty lines included", () => {
    expect(text(toLines([span("a\n\nb\n")], 10))).toEqual(["a", "", "b", ""]);
  });

  test("breaks long lines after a space, or anywhere when there is none near", () => {
    expect(text(toLines([span("one two three")], 10))).toEqual(["one two ", "three"]);
    expect(text(toLines([span("abcdefghijkl")], 10))).toEqual(["abcdefghij", "kl"]);
  });

  test("counts characters, not UTF-16 units, and joins neighbours of one tone", () => {
    expect(toLines([span("😀😀", "forced"), span("😀", "forced"), span("x", "sampled")], 3)).toEqual([
      [span("😀😀😀", "forced")],
      [span("x", "sampled")],
    ]);
  });
});

test("renderSvg escapes text, colours tones differently, and grows with the lines", () => {
  const svg = renderSvg([[span('<a & "b">', "forced"), span("c", "sampled")], [], [span("d")]], 20, "a < b");
  expect(svg).toContain("&#60;a &#38; &#34;b&#34;&#62;");
  expect(svg).toContain("<title>a &#60; b</title>");
  const [forced, sampled] = [...svg.matchAll(/fill="(#\w+)" textLength/g)].map(([, color]) => color);
  expect(forced).not.toBe(sampled);
  expect(Number(/height="(\d+)" role/.exec(svg)?.[1])).toBeGreaterThan(3 * 18);
});
