/**
 * The demo's texts and their schemas. Between them they show types, enums, arrays, nesting, optional fields, patterns, formats,
 * numeric bounds, alternatives and a schema written in Zod.
 *
 * Strings are bounded: a model of 135 million parameters does not always know when to stop, and the bound makes every value end.
 */
import { z } from "zod";

export interface DemoCase {
  readonly title: string;
  /** What of JSON Schema it shows. */
  readonly shows: string;
  readonly text: string;
  readonly schema: unknown;
  /** Says whether a value is of the Zod schema that `schema` was made from. */
  readonly accepts?: (value: unknown) => boolean;
}

type Schema = Readonly<Record<string, unknown>>;

/** A closed object; all properties are required but those in `optional`. */
function object(properties: Readonly<Record<string, Schema>>, optional: readonly string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", properties, required, additionalProperties: false };
}

const text = (maxLength: number): Schema => ({ type: "string", minLength: 1, maxLength });
const integer = (minimum: number, maximum: number): Schema => ({ type: "integer", minimum, maximum });
const list = (items: Schema, maxItems: number): Schema => ({ type: "array", items, minItems: 1, maxItems });
const oneOf = (...values: readonly string[]): Schema => ({ enum: values });
const version: Schema = { type: "string", pattern: "^[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{1,2}$" };

const Event = z.object({
  event: z.string().min(1).max(30),
  date: z.string().regex(/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/),
  time: z.string().regex(/^[0-2][0-9]:[0-5][0-9]$/),
  room: z.int().min(1).max(999),
  entry: z.enum(["free", "paid"]),
});

export const DEMO_CASES: readonly DemoCase[] = [
  {
    title: "invoice line",
    shows: "pattern, integer, number, enum",
    text: "Invoice INV-20417. Item: Desk Lamp. Quantity: 12. Currency: EUR. Unit price: 7.50, total: 90.00, due within 30 days.",
    schema: object({
      invoice: { type: "string", pattern: "^INV-[0-9]{5}$" },
      item: text(30),
      quantity: integer(1, 999),
      currency: oneOf("EUR", "USD", "GBP"),
      unit_price: { type: "number", minimum: 0, maximum: 9999 },
      total: { type: "number", minimum: 0, maximum: 99999 },
    }),
  },
  {
    title: "job advert",
    shows: "array of patterns, nested object",
    text: "Job: Senior Backend Engineer. Company: Northwind Labs, Berlin, hybrid. Skills: Go, PostgreSQL, Kubernetes. Salary: 78000 to 92000 EUR.",
    schema: object({
      job: text(30),
      company: text(20),
      city: text(20),
      workplace: oneOf("on-site", "hybrid", "remote"),
      skills: list({ type: "string", pattern: "^[A-Z][A-Za-z+#]{0,14}$" }, 3),
      salary: object({ from: integer(0, 999_999), to: integer(0, 999_999) }),
    }),
  },
  {
    title: "bug report",
    shows: "enum, pattern, boolean",
    text: "Title: Export dialog crashes\nSince version 2.4.1 it crashes on Windows when the file name contains an emoji. Severity: critical.",
    schema: object({
      title: text(30),
      version,
      platform: oneOf("Windows", "macOS", "Linux"),
      severity: oneOf("low", "medium", "high", "critical"),
      crash: { type: "boolean" },
    }),
  },
  {
    title: "product page",
    shows: "optional field, number range",
    text: "Trailhead 45 backpack, waterproof nylon. Price: 129.95 USD. In stock in moss green, slate grey and orange. Rated 4.6 of 5.",
    schema: object(
      {
        name: text(30),
        price: { type: "number", minimum: 0, maximum: 9999 },
        currency: oneOf("EUR", "USD", "GBP"),
        colors: list({ type: "string", pattern: "^[a-z]{3,9}( [a-z]{3,9})?$" }, 3),
        in_stock: { type: "boolean" },
        rating: { type: "number", minimum: 0, maximum: 5 },
      },
      ["rating"],
    ),
  },
  {
    title: "changelog entry",
    shows: "format date, pattern, enum",
    text: "Changelog. Version: 3.2.0. Date: 2024-11-08. Type: feature. Title: CSV import. Author: Mia Wong.",
    schema: object({
      version,
      date: { type: "string", format: "date" },
      type: oneOf("feature", "fix", "security"),
      title: text(20),
      author: text(20),
    }),
  },
  {
    title: "weather report",
    shows: "nested object, integer range",
    text: "Weather in Lisbon at 14:30: sunny, 27 degrees, wind 18 km/h, humidity 45 percent.",
    schema: object({
      city: text(20),
      time: { type: "string", pattern: "^[0-2][0-9]:[0-5][0-9]$" },
      sky: oneOf("sunny", "cloudy", "rain", "snow"),
      temperature: integer(-60, 60),
      wind: object({ speed: integer(0, 300), unit: oneOf("km/h", "mph") }),
      humidity: integer(0, 100),
    }),
  },
  {
    title: "contact card",
    shows: "format email, optional field, null",
    text: "Dr. Amelia Hart, head of research at Bluefin Optics. Write to amelia.hart@bluefin.example or call +44 20 7946 0018.",
    schema: object(
      {
        name: text(30),
        company: { anyOf: [text(30), { type: "null" }] },
        email: { type: "string", format: "email", maxLength: 40 },
        phone: { type: "string", pattern: "^\\+[0-9]{2}( [0-9]{2,4}){3}$" },
      },
      ["phone"],
    ),
  },
  {
    title: "recipe",
    shows: "array of objects",
    text: "Dish: pancakes. Serves 4, takes 25 minutes, easy. Ingredients: flour 250 g, milk 300 g, butter 40 g.",
    schema: object({
      dish: text(20),
      serves: integer(1, 20),
      minutes: integer(1, 600),
      difficulty: oneOf("easy", "medium", "hard"),
      ingredients: list(object({ name: text(15), grams: integer(1, 2000) }), 3),
    }),
  },
  {
    title: "event notice",
    shows: "a Zod schema",
    text: "Event: JavaScript meetup\nDate: 2025-05-14\nTime: 18:30\nRoom: 204\nEntry: free",
    schema: z.toJSONSchema(Event),
    accepts: (value) => Event.safeParse(value).success,
  },
];
