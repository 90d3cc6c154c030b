import { existsSync, readFileSync } from "node:fs";
import Ajv from "ajv";
import addFormats from "ajv-formats";
import { describe, expect, test } from "vitest";
import { enumLexeme } from "../../../src/grammar/lexeme/enum.ts";
import { FORMAT_NAMES, formatDfa, formatLexeme, isFormatName } from "../../../src/grammar/lexeme/format.ts";
import { gapLexeme } from "../../../src/grammar/lexeme/whitespace.ts";
import { oracleOf, randomText } from "../../support/lexeme-program.ts";
import { randomFrom, SEED } from "../../support/seed.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const SUITE = new URL("../../../../shared/json-schema-test-suite/tests/draft2020-12/optional/format/", import.meta.url);

describe("formats", () => {
  const ajv = new Ajv.default();
  addFormats.default(ajv);
  const validators = new Map(FORMAT_NAMES.map((name) => [name, ajv.compile({ type: "string", format: name })]));

  test.each(FORMAT_NAMES)("%s produces only what ajv-formats accepts", (name) => {
    const oracle = oracleOf(formatLexeme(name));
    const random = randomFrom(SEED);
    let produced = 0;
    for (let i = 0; i < 60; i++) {
      const text = randomText(oracle, random, 120);
      if (text === undefined) continue;
      produced++;
      const value: unknown = JSON.parse(text);
      expect([value, validators.get(name)!(value)]).toEqual([value, true]);
    }
    expect(produced).toBeGreaterThan(5);
  });

  test.each(FORMAT_NAMES)("%s agrees with ajv-formats on damaged values", (name) => {
    const samples = {
      date: ["2024-02-29", "2023-02-28", "1999-12-31", "2000-02-29", "1900-02-28", "2024-04-30"],
      time: ["12:34:56Z", "23:59:59.123+05:30", "00:00:00-00:00", "23:59:60Z"],
      "date-time": ["2024-02-29T12:34:56Z", "1999-12-31t23:59:59.9z", "2020-01-01T00:00:00+14:00"],
      uuid: ["123e4567-e89b-12d3-a456-426614174000", "ABCDEF01-2345-6789-abcd-ef0123456789"],
      email: ["a.b+c@example.com", "x_y-z@sub.example.org", "1@2.co"],
      ipv4: ["0.0.0.0", "255.255.255.255", "192.168.1.10", "8.8.8.8"],
    }[name];
    const dfa = formatDfa(name);
    const random = randomFrom(SEED);
    const characters = "0123456789-:.TZtz+@aAfFgG _/";
    for (let i = 0; i < 6000; i++) {
      const text = [...samples[i % samples.length]!];
      const times = Math.floor(random() * 3);
      for (let k = 0; k < times; k++) {
        const at = Math.floor(random() * (text.length + 1));
        const replaced = Math.floor(random() * 2);
        text.splice(at, replaced, ...(random() < 0.8 ? [characters[Math.floor(random() * characters.length)]!] : []));
      }
      const value = text.join("");
      const expected = validators.get(name)!(value);
      if (dfa.acceptsText(value) === expected || isKnownDifference(name, value)) continue;
      expect([value, dfa.acceptsText(value)]).toEqual([value, expected]);
    }
  });

  /** Where ajv-formats is looser than the standards: see the comment of format.ts. */
  function isKnownDifference(name: string, value: string): boolean {
    // Ajv takes a space between date and time, offsets without colon or minutes, and leap seconds at any offset.
    if (name === "date-time" && /[\s_]/.test(value)) return true;
    if (name.endsWith("time") && (/[+-]\d\d(?:\d\d)?$/.test(value) || /:60/.test(value))) return true;
    // ajv takes a URN prefix.
    return name === "uuid" && value.startsWith("urn:");
  }

  test("know the calendar", () => {
    const date = formatDfa("date");
    const days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    for (const year of [0, 4, 100, 400, 1900, 1999, 2000, 2023, 2024, 2100, 9996]) {
      const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
      for (let month = 0; month <= 13; month++) {
        for (let day = 0; day <= 32; day++) {
          const last = (days[month - 1] ?? 0) + Number(isLeap && month === 2);
          const text = [
            String(year).padStart(4, "0"),
            String(month).padStart(2, "0"),
            String(day).padStart(2, "0"),
          ].join("-");
          if (date.acceptsText(text) !== (day >= 1 && day <= last)) expect(text).toBe("right");
        }
      }
    }
  });

  test("agree with the official test suite", () => {
    if (!existsSync(SUITE)) {
      console.log("skipped: the JSON-Schema-Test-Suite is not here");
      return;
    }
    // Spellings that are valid but not offered.
    const notOffered = /"|\[|^[^@]*@[^.]*$|:60.*[+-](?!00:00)/;
    for (const name of FORMAT_NAMES) {
      const groups = JSON.parse(readFileSync(new URL(`${name}.json`, SUITE), "utf8")) as {
        tests: { data: unknown; valid: boolean; description: string }[];
      }[];
      for (const { tests } of groups) {
        for (const { data, valid, description } of tests) {
          if (typeof data !== "string" || (valid && notOffered.test(data))) continue;
          expect([name, description, formatDfa(name).acceptsText(data)]).toEqual([name, description, valid]);
        }
      }
    }
  });

  test("are told from annotations", () => {
    expect(["date", "uuid", "color", "constructor"].map((name) => isFormatName(name))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe("enumerations", () => {
  test("accept exactly their texts", () => {
    const texts = ["true", "12", '"a"', '"ab"', '"b"', "1", "", '"é"', '{"a":1}', "12"];
    const oracle = oracleOf(enumLexeme(texts.map(utf8)));
    for (const text of texts) expect([text, oracle.accepts(text)]).toEqual([text, true]);
    for (const text of ["tru", "123", '"abb"', '"a', "2", '"', '{"a":12}'])
      expect([text, oracle.accepts(text)]).toEqual([text, false]);
  });

  test("are empty without texts", () => {
    expect(enumLexeme([]).isEmpty).toBe(true);
  });

  test("of thousands of random texts share beginnings and endings", () => {
    const random = randomFrom(SEED);
    const texts = new Set<string>();
    while (texts.size < 5000) {
      texts.add(`"${["red", "green", "blue"][Math.floor(random() * 3)]}-${Math.floor(random() * 1e5)}-item"`);
    }
    const lexeme = enumLexeme([...texts].map(utf8));
    const oracle = oracleOf(lexeme);
    for (const text of texts) if (!oracle.accepts(text)) expect(text).toBe("accepted");
    for (let n = 0; n < 2000; n++) {
      const text = `"red-${n}-item"`;
      if (oracle.accepts(text) !== texts.has(text)) expect(text).toBe("right");
    }
    expect(lexeme.table.numStates).toBeLessThan(3000);
  });
});

describe("the gap between tokens", () => {
  const gap = oracleOf(gapLexeme(4));

  test.each([
    ["", true],
    [" ", true],
    ["\n    ", true],
    ["  \n \t", true],
    ["     ", false],
    ["\n\n", false],
    ["\r\n", false],
    ["\n     ", false],
  ])("%j", (text, accepted) => {
    expect(gap.accepts(text)).toBe(accepted);
  });
});
