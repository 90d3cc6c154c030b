/** A `oneOf` whose branches exclude each other only by what stands around it: it must not multiply into negations. */

import { expect, it } from "vitest";
import { compileJsonSchema } from "../../../../src/grammar/index.ts";
import { acceptor } from "../../../support/accepts.ts";

const COMMANDS = Array.from({ length: 14 }, (_, i) => `command${i}`);
const BRANCHES = COMMANDS.map((name, i) => ({
  properties: { name: { enum: [name] }, size: { type: "integer", minimum: i }, [`only${i}`]: { type: "string" } },
  required: ["size"],
}));

it.each([
  ["before", { required: ["name"], oneOf: BRANCHES }],
  ["behind", { oneOf: BRANCHES, required: ["name"] }],
  ["in an allOf before", { allOf: [{ required: ["name"] }], oneOf: BRANCHES }],
])("the discriminator is required %s it", (_, content) => {
  const schema = { type: "object", properties: { name: { type: "string" } }, ...content };
  const accepts = acceptor(schema);
  expect(accepts('{"name":"command3","size":3,"only3":"x"}')).toBe(true);
  expect(accepts('{"name":"command3","size":2}')).toBe(false);
  expect(accepts('{"name":"other","size":20}')).toBe(false);
  expect(compileJsonSchema(schema).stats.numRules).toBeLessThan(100);
});

it("without it the branches overlap and are told apart by negations", () => {
  const accepts = acceptor({ type: "object", oneOf: BRANCHES.slice(0, 3) });
  expect(accepts('{"name":"command1","size":1}')).toBe(true);
  // Every branch lets this pass.
  expect(accepts('{"size":5}')).toBe(false);
  expect(accepts('{"size":0}')).toBe(true);
});
