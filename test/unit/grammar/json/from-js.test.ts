import { expect, it } from "vitest";
import { DiecastError } from "../../../../src/errors.ts";
import { fromJs } from "../../../../src/grammar/json/from-js.ts";
import { parseJson } from "../../../../src/grammar/json/parse.ts";

const withoutOffsets = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (key, part) => (key === "at" ? 0 : part instanceof Map ? { map: [...part] } : part)),
  );

it("gives the same nodes as parsing the value's JSON text", () => {
  const value = { b: [1, -0.5, 1e21, { c: null }], a: "x\u0000é😀", t: true, e: {}, l: [] };
  expect(withoutOffsets(fromJs(value))).toEqual(withoutOffsets(parseJson(JSON.stringify(value))));
});

it("leaves out members whose value is undefined", () => {
  const node = fromJs({ a: undefined, b: 1 });
  expect(node.kind === "object" && [...node.members.keys()]).toEqual(["b"]);
});

it("accepts the same object in two places", () => {
  const shared = { x: 1 };
  expect(fromJs([shared, shared]).kind).toBe("array");
});

const cyclic: { a: { b?: unknown } } = { a: {} };
cyclic.a.b = cyclic;

it.each([
  [cyclic, "/a/b"],
  [{ a: [0, () => 1] }, "/a/1"],
  [{ "x/y": Number.NaN }, "/x~1y"],
  [{ d: new Date(0) }, "/d"],
  [{ m: new Map() }, "/m"],
  [[1n], "/0"],
  [[undefined], "/0"],
  [undefined, ""],
  [{ s: "\ud800" }, "/s"],
])("refuses what has no JSON form and says where (%#)", (value, pointer) => {
  try {
    fromJs(value);
  } catch (error) {
    expect(DiecastError.is(error) && error.code).toBe("JSON_INVALID");
    expect((error as DiecastError).detail.pointer).toBe(pointer);
    return;
  }
  throw new Error("accepted");
});

it("refuses depth over the limit without overflowing the stack", () => {
  let deep: unknown = 1;
  for (let i = 0; i < 200_000; i++) deep = [deep];
  expect(() => fromJs(deep)).toThrow(/200000|4097 levels/);
});
