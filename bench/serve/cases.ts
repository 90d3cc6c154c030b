/** What is asked in `bench:serve`: prompts with their schemas, the same for every server. */
import { readRows } from "../masks/rows.ts";

export interface Case {
  readonly name: string;
  readonly prompt: string;
  /** Absent: free text. */
  readonly schema?: object;
}

const PEOPLE = [
  "Harry Potter",
  "Sherlock Holmes",
  "Jane Eyre",
  "Captain Ahab",
  "Emma Bovary",
  "Don Quixote",
  "Dracula",
  "Alice",
];
const CITIES = ["Paris", "Nairobi", "Lima", "Osaka", "Oslo", "Quebec", "Cairo", "Perth"];

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

/** `count` requests, the kinds in turn, subjects varied so that prompts differ. With `free`, the same prompts without schemas. */
export function standardCases(
  count: number,
  kinds: readonly ("character" | "city" | "invoice")[],
  free = false,
): Case[] {
  return Array.from({ length: count }, (_, i) => {
    const kind = kinds[i % kinds.length]!;
    const turn = Math.floor(i / kinds.length);
    const prompts = {
      character: `Describe ${PEOPLE[turn % PEOPLE.length]} as a character, as JSON.`,
      city: `Describe the city of ${CITIES[turn % CITIES.length]} as JSON.`,
      invoice: `Write invoice INV-${10_000 + i} of ${PEOPLE[turn % PEOPLE.length]} for books as JSON.`,
    };
    const schema = { character: CHARACTER, city: CITY, invoice: INVOICE }[kind];
    return { name: kind, prompt: prompts[kind], ...(free ? {} : { schema }) };
  });
}

/** About `count` schemas drawn evenly from a file of MaskBench rows. */
export function rowCases(file: string, count: number): Case[] {
  return readRows(file, count)
    .map((row) => ({ name: row.id, prompt: "Give an example as JSON.", schema: JSON.parse(row.schema) as unknown }))
    .filter((item): item is { name: string; prompt: string; schema: object } => typeof item.schema === "object")
    .slice(0, count);
}

/** Extractions that share a long instruction and differ in their last line. */
export function prefixCases(count: number): Case[] {
  const rules = Array.from(
    { length: 24 },
    (_, i) => `Rule ${i + 1}: copy names and numbers exactly as the text has them, and add nothing of your own.`,
  ).join("\n");
  const schema = object({ city: text(20), rating: { type: "integer", minimum: 1, maximum: 5 } });
  return Array.from({ length: count }, (_, i) => ({
    name: "extraction",
    prompt: `${rules}\nText ${i}: we gave ${CITIES[i % CITIES.length]} ${1 + (i % 5)} stars.`,
    schema,
  }));
}
