/** Every format of structural tags: what it accepts and rejects. */

import { expect, test } from "vitest";
import { compileStructuralTag, type StructuralTagOptions } from "../../../../src/grammar/structural-tag/compile.ts";
import { toolChoiceFormat } from "../../../../src/grammar/structural-tag/tool-choice.ts";
import { ProgramOracle } from "../../../support/program-oracle.ts";

const options: StructuralTagOptions = {
  vocabSize: 1000,
  tokenId: (text) => ({ "<eos>": 2, "<think>": 10, "</think>": 11, "<call>": 12, "</call>": 13 })[text],
  stopTokenIds: [2],
  schema: { whitespace: "compact" },
};

type Text = string | readonly (string | number)[];

function check(format: unknown, accept: readonly Text[], reject: readonly Text[]): void {
  const { program } = compileStructuralTag({ type: "structural_tag", format }, options);
  const oracle = new ProgramOracle(program);
  const accepts = (text: Text): boolean => oracle.acceptsMixed(typeof text === "string" ? [text] : text);
  expect(accept.filter((text) => !accepts(text))).toEqual([]);
  expect(reject.filter(accepts)).toEqual([]);
}

const text = (value: string): unknown => ({ type: "const_string", value });
const city = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const schema = (json_schema: unknown): unknown => ({ type: "json_schema", json_schema });
const tag = (begin: unknown, content: unknown, end: unknown): unknown => ({ type: "tag", begin, content, end });
const anyText = { type: "any_text" };
const token = (id: number | string): unknown => ({ type: "token", token: id });

test("const_string, regex, grammar, json_schema", () => {
  check(text("a\nb"), ["a\nb"], ["a", ""]);
  check({ type: "regex", pattern: "[A-Z]{3}-[0-9]+" }, ["ABC-12"], ["xABC-1", "ABC-1x", "AB-1"]);
  check({ type: "grammar", grammar: 'root ::= x "!"\nx ::= x "a" | "b"' }, ["b!", "baa!"], ["b", "a!"]);
  check(schema(city), ['{"city":"Paris"}'], ["{}", '{"city":1}', '{"city":"Paris","x":1}']);
});

test("any_text excludes texts and counts characters", () => {
  check(anyText, ["", "é\n😀"], []);
  check({ type: "any_text", excludes: ["<b>", "xx"] }, ["", "<b", "x<bx", "ax"], ["a<b>", "xx", "axxb"]);
  check({ type: "any_text", max_chars: 3 }, ["", "é😀a"], ["abcd"]);
  check({ type: "any_text", max_chars: 5000, excludes: ["b"] }, ["a".repeat(5000)], ["a".repeat(5001), "ab"]);
});

test("sequence, or, optional, plus, star, repeat", () => {
  check({ type: "sequence", elements: [text("a"), text("b")] }, ["ab"], ["a", "ba"]);
  check({ type: "or", elements: [text("a"), schema({ type: "integer" })] }, ["a", "12"], ["b", "a1"]);
  check({ type: "optional", content: text("ab") }, ["", "ab"], ["a", "abab"]);
  check({ type: "plus", content: text("ab") }, ["ab", "abab"], ["", "aba"]);
  check({ type: "star", content: text("ab") }, ["", "ababab"], ["aba"]);
  check({ type: "repeat", min: 1, max: 2, content: text("a") }, ["a", "aa"], ["", "aaa"]);
  check(
    { type: "repeat", min: 2, max: -1, content: schema({ type: "boolean" }) },
    ["truetrue", "truefalsetrue"],
    ["true"],
  );
  check({ type: "repeat", min: 0, max: 0, content: text("a") }, [""], ["a"]);
});

test("a tag's text ends at the first occurrence of its end", () => {
  check(tag("<t>", anyText, "</t>"), ["<t></t>", "<t>a < b</</t>"], ["<t>a", "<t></t></t>", "<t></t>x"]);
  check(tag("<t>", anyText, ["</t>", "\n\n"]), ["<t>a</t>", "<t>a\n\n", "<t>\na</t>"], ["<t>a\n\n\n", "<t>a\n\n</t>"]);
  check(tag("<t>", { type: "any_text", excludes: ["</t>", "bad"] }, "</t>"), ["<t>ba</t>"], ["<t>bad</t>"]);
  check(tag("<t>", { type: "any_text", excludes: ["x<"] }, "</t>"), ["<t>x</t>", "<t>y</t>"], ["<t>x<y</t>"]);
  check(tag("<t>", { type: "any_text", max_chars: 2 }, "</t>"), ["<t>ab</t>"], ["<t>abc</t>"]);
});

test("ends reach free text at the same level and not through another tag", () => {
  const both = { type: "sequence", elements: [anyText, text("|"), anyText] };
  check(tag("<t>", both, "</t>"), ["<t>a|b</t>", "<t>||</t>"], ["<t></t>|</t>", "<t>a|</t></t>"]);
  check(tag("<a>", tag("<b>", anyText, "</b>"), "</a>"), ["<a><b></a></b></a>"], ["<a><b></b></b></a>"]);
});

const calls = [
  tag("<f=get>", schema(city), "</f>"),
  tag("<f=put>", schema({ type: "integer" }), "</f>"),
  tag("<g>", text("x"), ""),
];
const get = '<f=get>{"city":"Paris"}</f>';

test("triggered_tags", () => {
  const base = { type: "triggered_tags", triggers: ["<f=", "<g>"], tags: calls };
  const bad = ["<f=", "<f=del>1</f>", "a<f=put>1", "<g>y", "<f=put>x</f>"];
  check(base, ["", "hi", `a ${get} b <f=put>7</f><g>x.`, "a <f", "<<g>x"], bad);
  check({ ...base, stop_after_first: true }, ["", "hi", `a ${get}`], [...bad, `${get}x`, `${get}${get}`]);
  check({ ...base, at_least_one: true }, [get, `${get} and <g>x`], [...bad, "", "hi", `a ${get}`]);
  check({ ...base, at_least_one: true, stop_after_first: true }, [get, "<g>x"], [...bad, "", `${get}x`]);
  check({ ...base, excludes: ["END"] }, ["EN", `E${get}`], ["END", `${get}END`]);
  check(tag("<r>", base, "</r>"), [`<r>a${get}b</r>`, "<r></r>"], ["<r></r></r>", "<r>a</r>b</r>"]);
});

test("tags_with_separator", () => {
  const base = { type: "tags_with_separator", tags: calls, separator: ", " };
  check(base, ["", get, `${get}, <g>x, ${get}`], [`${get},`, `${get}${get}`, " "]);
  check({ ...base, at_least_one: true }, [get, `${get}, ${get}`], [""]);
  check({ ...base, stop_after_first: true }, ["", get], [`${get}, ${get}`]);
});

test("dispatch", () => {
  const base = {
    type: "dispatch",
    rules: [
      ["<f>", schema({ type: "integer" })],
      ["<g>", text("x")],
    ],
  };
  check(base, ["", "a<f>12 b<g>xx", "<f"], ["<f>", "<f>x", "<g>y"]);
  check({ ...base, loop: false }, ["", "a<f>12", "a"], ["<g>xa", "<f>1<g>x"]);
  check({ ...base, excludes: ["no"] }, ["n<g>xo"], ["no", "a<g>xno"]);
  check(tag("<r>", { ...base, excludes: ["</r>"] }, "</r>"), ["<r>a<g>x</r>"], ["<r></r></r>"]);
});

test("tokens match by id and never by text", () => {
  check(token("<call>"), [[12]], ["<call>", [13], []]);
  check({ type: "exclude_token", exclude_tokens: [5, "<call>"] }, [[6]], [[5], [12], [2], [6, 6], [1000]]);
  check({ type: "any_tokens", exclude_tokens: [5] }, [[], [6, 7]], [[5], [2]]);
  check({ type: "any_tokens", max_tokens: 2 }, [[], [6, 7]], [[6, 6, 6]]);
  check({ type: "any_tokens", max_tokens: 100 }, [new Array<number>(100).fill(7)], [new Array<number>(101).fill(7)]);
  check(
    tag(token("<think>"), { type: "any_tokens" }, token(11)),
    [
      [10, 11],
      [10, 5, 11],
    ],
    [
      [10, 11, 11],
      ["<think>", 11],
    ],
  );
  check(tag(token(10), anyText, token(11)), [[10, "a</think>", 11]], [[10, "a"]]);
});

test("token_triggered_tags and token_dispatch", () => {
  const call = tag(token(12), schema({ type: "integer" }), token("</call>"));
  const base = { type: "token_triggered_tags", trigger_tokens: ["<call>"], tags: [call], exclude_tokens: [5] };
  check(base, [[], [6], [6, 12, "7", 13, 6]], [[5], [12], [12, 13], [12, "7", 13, 5]]);
  check(
    { ...base, at_least_one: true },
    [
      [12, "7", 13],
      [12, "7", 13, 6],
    ],
    [[], [6, 12, "7", 13]],
  );
  check({ ...base, stop_after_first: true }, [[6], [6, 12, "7", 13]], [[12, "7", 13, 6]]);
  const dispatch = {
    type: "token_dispatch",
    rules: [
      [12, text("x")],
      ["<think>", text("y")],
    ],
  };
  check(dispatch, [[], [6, 12, "x", 10, "y", 6]], [[12], [12, "y"], [2]]);
  check({ ...dispatch, loop: false }, [[6, 12, "x"]], [[12, "x", 6]]);
});

test("the older form is triggered tags over schemas", () => {
  const structures = [{ begin: "<function=get>", schema: city, end: "</function>" }];
  const oracle = new ProgramOracle(
    compileStructuralTag({ type: "structural_tag", structures, triggers: ["<function="] }, options).program,
  );
  expect(oracle.accepts('Well. <function=get>{"city":"Rome"}</function> Done.')).toBe(true);
  expect(oracle.accepts("<function=put>")).toBe(false);
});

test("reasoning, then a schema", () => {
  const format = { type: "sequence", elements: [tag("<think>", anyText, "</think>\n"), schema(city)] };
  check(format, ['<think>hm {"city":1} </think>\n{"city":"Paris"}'], ['{"city":"Paris"}', "<think></think>\n"]);
});

test("JSON lines", () => {
  const line = { type: "sequence", elements: [schema(city), text("\n")] };
  check(
    { type: "plus", content: line },
    ['{"city":"a"}\n', '{"city":"a"}\n{"city":"b"}\n'],
    ["", '{"city":"a"}', "\n"],
  );
});

test("tool choices map to formats", () => {
  const tools = ["get", "put"].map((name) => ({ name, parameters: city, begin: `<f=${name}>`, end: "</f>" }));
  const put = '<f=put>{"city":"x"}</f>';
  check(toolChoiceFormat(tools), ["", `a${get}b${put}`], ["<f=x"]);
  check(toolChoiceFormat(tools, { toolChoice: "required" }), [get, `${get}${put}`], ["", `a${get}`]);
  check(toolChoiceFormat(tools, { toolChoice: { name: "put" } }), [put], [get, ""]);
  check(toolChoiceFormat(tools, { parallelToolCalls: false }), ["a", `a${get}`], [`${get}${put}`]);
  expect(() => toolChoiceFormat(tools, { toolChoice: { name: "x" } })).toThrow("there is no tool");
});
