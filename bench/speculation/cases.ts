/** What `bench:speculation` asks: values that are copied from a document, values that are made up, and free text. */
import { extractionMessages } from "../../src/engine/extraction-prompt.ts";
import { standardCases } from "../serve/cases.ts";

export interface SpeculationCase {
  readonly messages: readonly { readonly role: "user"; readonly content: string }[];
  /** Absent: free text. */
  readonly schema?: object;
}

const NAMES = ["Ada Lovelace", "Grace Hopper", "Alan Turing", "Emmy Noether", "Niels Abel", "Sofia Kovalevskaya"];
const STREETS = ["Rosenthaler Strasse 14", "Quai de la Tournelle 3", "Via Garibaldi 77", "Harbour Road 121"];
const PARTS = ["hexagonal bolts M8", "copper pipe 22 mm", "pressure gauge", "ball valve DN 50", "sealing ring"];

const ORDER = {
  type: "object",
  properties: {
    customer: { type: "string", maxLength: 60 },
    email: { type: "string", maxLength: 60 },
    address: { type: "string", maxLength: 80 },
    items: {
      type: "array",
      minItems: 1,
      maxItems: 4,
      items: {
        type: "object",
        properties: { article: { type: "string", maxLength: 60 }, quantity: { type: "integer", minimum: 1 } },
        required: ["article", "quantity"],
        additionalProperties: false,
      },
    },
    reference: { type: "string", maxLength: 30 },
  },
  required: ["customer", "email", "address", "items", "reference"],
  additionalProperties: false,
};

function order(i: number): string {
  const name = NAMES[i % NAMES.length]!;
  const mail = `${name.toLowerCase().replaceAll(" ", ".")}@example.org`;
  const part = (k: number): string => PARTS[(i * (k + 1)) % PARTS.length]!;
  return (
    `Dear team, this is ${name} (${mail}). Please send ${3 + (i % 9)} pieces of ${part(0)} and ${1 + (i % 4)} of ${part(2)} ` +
    `to ${STREETS[i % STREETS.length]!}. Our reference is PO-${73_100 + 37 * i}. The last delivery of ${part(0)} came late, so please ` +
    `confirm to ${mail} that ${part(2)} is in stock. Kind regards, ${name}`
  );
}

export const SPECULATION_KINDS = ["extract", "invent", "free"] as const;
export type SpeculationKind = (typeof SPECULATION_KINDS)[number];

const GENRES = [
  "a western",
  "a space opera",
  "a fairy tale",
  "a detective story",
  "a sea story",
  "a school play",
  "a ghost story",
];
const TOWNS = ["Paris", "Nairobi", "Lima", "Osaka", "Oslo", "Quebec", "Cairo", "Perth", "Porto", "Hanoi", "Turin"];

/** What is asked in words, all different for the first hundreds. */
function wish(i: number): string {
  const town = TOWNS[i % TOWNS.length]!;
  if (i % 3 === 0)
    return `Describe ${NAMES[i % NAMES.length]!} of ${town} as a character of ${GENRES[i % GENRES.length]!}, as JSON.`;
  if (i % 3 === 1) return `Describe the city of ${town} as in ${GENRES[i % GENRES.length]!}, as JSON.`;
  return `Write invoice INV-${10_000 + i} of ${NAMES[i % NAMES.length]!} in ${town} for ${PARTS[i % PARTS.length]!}, as JSON.`;
}

/** `count` cases from number `first` on; each is asked once in a run, as what a request says is remembered for the next one like it. */
export function speculationCases(kind: SpeculationKind, first: number, count: number): SpeculationCase[] {
  const kinds = standardCases(3, ["character", "city", "invoice"]);
  return Array.from({ length: count }, (_, k) => {
    const i = first + k;
    if (kind === "extract")
      return { messages: extractionMessages(order(i)) as SpeculationCase["messages"], schema: ORDER };
    const schema = kind === "invent" ? kinds[i % 3]!.schema : undefined;
    return { messages: [{ role: "user", content: wish(i) }], ...(schema === undefined ? {} : { schema }) };
  });
}
