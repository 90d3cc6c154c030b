/** Who weighs what where keys take turns. */
import { describe, expect, test } from "vitest";
import { buildApp, parseKeyWeights } from "../../src/server/index.ts";
import { FakeEngine } from "../support/fake-engine.ts";

const keyWeights = parseKeyWeights('{"sk-four": 4, "sk-half": 0.5}');

describe("a request's weight", () => {
  test.each([
    ["Bearer sk-four", 4],
    ["bearer  sk-half", 0.5],
    ["Bearer sk-other", undefined],
    ["sk-four", undefined],
    [undefined, undefined],
  ])("with authorization %j is %j on both routes, whoever it names as user", async (authorization, weight) => {
    const engine = new FakeEngine();
    const app = buildApp(engine, { keyWeights });
    const headers = authorization === undefined ? {} : { authorization };
    const post = (url: string, payload: object) => app.inject({ method: "POST", url, headers, payload });
    await post("/v1/chat/completions", { messages: [{ role: "user", content: "x" }] });
    await post("/v1/chat/completions", { messages: [{ role: "user", content: "x" }], user: "somebody" });
    await post("/v1/extract", { schema: {}, input: "x" });
    expect(engine.runs.map(({ request }) => request.fairWeight)).toEqual([weight, weight, weight]);
    await app.close();
  });

  test.each(["", "[1]", "null", "{", '{"sk-one": 0}', '{"sk-one": 1001}', '{"sk-one": "2"}', '{" ": 1}'])(
    "can't be read from %j, and the message shows no key",
    (text) => {
      expect(() => parseKeyWeights(text)).toThrow(/weights/);
      expect(() => parseKeyWeights(text)).not.toThrow(/sk-/);
    },
  );
});
