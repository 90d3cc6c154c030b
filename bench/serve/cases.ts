/** What is asked in `bench:serve`: prompts with their schemas, the same for every server. */
import { readRows } from "../masks/rows.ts";

export interface Case {
  readonly name: string;
  readonly prompt: string;
  /** Absent: free text. */
  readonly schema?: object;
}

const PEOPLE = [
  ...["Harry Potter", "Sherlock Holmes", "Jane Eyre", "Captain Ahab", "Emma Bovary", "Don Quixote", "Dracula", "Alice"],
  ...["Robinson Crusoe", "Anna Karenina", "Oliver Twist", "Hamlet", "Long John Silver", "Mary Poppins", "Gulliver"],
];
const CITIES = [
  ...["Paris", "Nairobi", "Lima", "Osaka", "Oslo", "Quebec", "Cairo", "Perth", "Porto", "Hanoi", "Turin", "Bergen"],
];
const GENRES = [
  ...["a western", "a space opera", "a fairy tale", "a detective story", "a sea story", "a school play", "an opera"],
];
function object(properties: Record<string, object>): object {
  return { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
}
const text = (maxLength: number): object => ({ type: "string", minLength: 1, maxLength });

const CHARACTER = object({
  name: text(30),
  house: { enum: ["Gryffindor", "Slytherin", "Ravenclaw", "Hufflepuff", "none"] },
  blood_status: { enum: ["Pure-blood", "Half-blood", "Muggle-born", "unknown"] },
  occupation: { enum: ["student", "teacher", "auror", "other"] },
  wand: object({ wood: text(20), core: text(20), length: { type: "integer", minimum: 5, maximum: 20 } }),
  alive: { type: "boolean" },
  patronus: text(20),
});
const CITY = object({
  name: text(30),
  country: text(30),
  latitude: { type: "number", minimum: -90, maximum: 90 },
  population: { type: "integer", minimum: 0, maximum: 50_000_000 },
  top_sights: { type: "array", items: text(40), minItems: 1, maxItems: 3 },
});
const INVOICE = object({
  invoice: { type: "string", pattern: "^INV-[0-9]{5}$" },
  customer: text(30),
  currency: { enum: ["EUR", "USD", "GBP"] },
  lines: {
    type: "array",
    minItems: 1,
    maxItems: 3,
    items: object({ description: text(30), quantity: { type: "integer", minimum: 1, maximum: 99 } }),
  },
  paid: { type: "boolean" },
});

export type CaseKind = "character" | "city" | "invoice";

/** `count` requests from number `first` on, the kinds in turn; the same number is the same prompt and no other one is. With `free` there are no schemas. */
export function standardCases(
  count: number,
  kinds: readonly CaseKind[],
  { first = 0, free = false }: { readonly first?: number; readonly free?: boolean } = {},
): Case[] {
  return Array.from({ length: count }, (_, k) => {
    const kind = kinds[k % kinds.length]!;
    const prompt = PROMPTS[kind](first + k);
    return { name: kind, prompt, ...(free ? {} : { schema: SCHEMAS[kind] }) };
  });
}

const SCHEMAS: Readonly<Record<CaseKind, object>> = { character: CHARACTER, city: CITY, invoice: INVOICE };
const PROMPTS: Readonly<Record<CaseKind, (i: number) => string>> = {
  character: (i) => `Describe ${subject(i)} as a character, as JSON.`,
  city: (i) => `Describe the city of ${itemOf(CITIES, i)} in the year ${1200 + Math.floor(i / CITIES.length)} as JSON.`,
  invoice: (i) => `Write invoice INV-${10_000 + i} of ${itemOf(PEOPLE, i)} for books as JSON.`,
};

/** Another one for every number. */
function subject(i: number): string {
  const city = Math.floor(i / PEOPLE.length);
  const genre = Math.floor(city / CITIES.length);
  const chapter = 1 + Math.floor(genre / GENRES.length);
  return `${itemOf(PEOPLE, i)} of ${itemOf(CITIES, city)} in chapter ${chapter} of ${itemOf(GENRES, genre)}`;
}

function itemOf(texts: readonly string[], i: number): string {
  // Invariant: the remainder is an index.
  return texts[i % texts.length]!;
}

/**
 * The same with a remark in every schema, which a server has not compiled, and of which it has learnt nothing, however often it has had the schema
 * with another remark.
 */
export function remarked(cases: readonly Case[], remark: string): Case[] {
  return cases.map((item) =>
    item.schema === undefined ? item : { ...item, schema: { ...item.schema, $comment: remark } },
  );
}

/** About `count` schemas drawn evenly from a file of MaskBench rows, with prompts from number `first` on. */
export function rowCases(file: string, count: number, first = 0): Case[] {
  return readRows(file, count)
    .map((row, i) => ({
      name: row.id,
      prompt: `Give an example that has to do with ${subject(first + i)} as JSON.`,
      schema: JSON.parse(row.schema) as unknown,
    }))
    .filter((item): item is { name: string; prompt: string; schema: object } => typeof item.schema === "object")
    .slice(0, count);
}

/** Extractions that share a long instruction and differ in their last line, the numbers from `first` on. */
export function prefixCases(count: number, first = 0): Case[] {
  const rules = Array.from(
    { length: 24 },
    (_, i) => `Rule ${i + 1}: copy names and numbers exactly as the text has them, and add nothing of your own.`,
  ).join("\n");
  const schema = object({ city: text(20), rating: { type: "integer", minimum: 1, maximum: 5 } });
  return Array.from({ length: count }, (_, k) => {
    const i = first + k;
    return {
      name: "extraction",
      prompt: `${rules}\nText ${i}: we gave ${itemOf(CITIES, i)} ${1 + (i % 5)} stars.`,
      schema,
    };
  });
}
