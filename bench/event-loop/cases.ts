/** Bodies of about a megabyte that a schema can make, each as accepted and as refused. */

export interface LoopCase {
  readonly name: string;
  /** Status that the answer must have. */
  readonly status: number;
  /** A body that no other round has sent. */
  readonly body: (round: number) => string;
}

const MEGABYTE = 1 << 20;
/** Refused at its end. */
const WRONG = '{"type":"objekt"}';

type Schema = (round: number, last: string) => string;

function properties(count: number, of: (index: number) => string): Schema {
  return (round, last) => {
    const members = Array.from({ length: count }, (_, i) => `"key${i}":${of(i)}`);
    return `{"type":"object","title":"${round}","properties":{${members.join()},"last":${last}}}`;
  };
}

function nested(depth: number): Schema {
  return (round, last) => {
    const padding = "x".repeat(Math.floor(MEGABYTE / depth));
    const open = `{"title":"${padding}","properties":{"a":`.repeat(depth);
    return `${open}{"title":"${round}","items":${last}}${"}}".repeat(depth)}`;
  };
}

const oneText =
  (keyword: string, text: (length: number) => string): Schema =>
  (round, last) =>
    `{"type":"object","properties":{"a":{"${keyword}":"${round}${text(MEGABYTE)}"},"last":${last}}}`;

const repeated = (piece: string) => (length: number) => piece.repeat(Math.ceil(length / piece.length));

const SCHEMAS: Readonly<Record<string, Schema>> = {
  "many small properties": properties(20_000, (i) => `{"type":"integer","minimum":${i}}`),
  "10,000 properties": properties(
    10_000,
    (i) => `{"type":"string","description":"number ${i} ${"of many ".repeat(6)}"}`,
  ),
  "nested 250 deep": nested(250),
  "one enum": (round, last) => {
    const words = Array.from({ length: 60_000 }, (_, i) => `"word ${i * 7919}"`);
    return `{"title":"${round}","anyOf":[{"enum":[${words.join()}]},${last}]}`;
  },
  "one enum of numbers": (round, last) => {
    const numbers = Array.from({ length: 120_000 }, (_, i) => `${i * 7919}`);
    return `{"title":"${round}","anyOf":[{"enum":[${numbers.join()}]},${last}]}`;
  },
  "a long text": oneText("title", repeated("words ")),
  "a long text of escapes": oneText("title", repeated('\\n\\u00e9\\"')),
  "a long text of two-byte characters": oneText("title", repeated("é😀")),
  "a long constant": oneText("const", repeated("words\\n")),
  "a long pattern": oneText("pattern", repeated("[a-z]")),
  "a long key": (round, last) => `{"properties":{"${round}${"key ".repeat(MEGABYTE / 4)}":${last}}}`,
  "a long reference": oneText("$ref", repeated("/a")),
  blanks: (round, last) => `{"title":"${round}",${" ".repeat(MEGABYTE)}"properties":{"last":${last}}}`,
};

const bodyOf = (schema: string): string => `{"input":"x","max_tokens":1,"schema":${schema}}`;

export function loopCases(): LoopCase[] {
  const cases = Object.entries(SCHEMAS).flatMap(([name, schema]): LoopCase[] => [
    // A value of one token is cut, which tells that the schema was taken; a pattern and a reference so long are not.
    { name, status: 422, body: (round) => bodyOf(schema(round, "{}")) },
    { name: `${name}, refused`, status: 400, body: (round) => bodyOf(schema(round, WRONG)) },
  ]);
  const small = properties(20_000, (i) => `{"minimum":${i}}`);
  return [
    { name: "no schema", status: 422, body: (round) => bodyOf(`{"title":"${round}"}`) },
    ...cases,
    { name: "nested 1,000 deep", status: 400, body: (round) => bodyOf(nested(1000)(round, "{}")) },
    { name: "cut JSON", status: 400, body: (round) => bodyOf(small(round, "{}")).slice(0, -3) },
    { name: "a key twice", status: 400, body: (round) => bodyOf(small(round, '{"a":1,"a":2}')) },
    {
      name: "a long key twice",
      status: 400,
      body: (round) => {
        const key = `"${round}${"k".repeat(MEGABYTE / 2)}"`;
        return bodyOf(`{${key}:1,${key}:2}`);
      },
    },
    {
      name: "a long text, cut",
      status: 400,
      body: (round) => bodyOf(oneText("title", repeated("\\u00e9"))(round, "{}")).slice(0, MEGABYTE),
    },
    {
      name: "30 megabytes",
      status: 422,
      body: (round) => bodyOf(`{"title":"${round}${"words ".repeat(5 << 20)}"}`),
    },
    {
      name: "a schema handed in",
      status: 422,
      body: (round) =>
        `{"input":"x","max_tokens":1,"schema":{"$ref":"x:a"},"grammar_options":{"schemas":{"x:a":${small(round, "{}")}}}}`,
    },
  ];
}
