/** The standard formats against a reference that takes texts apart by hand, against Ajv and against the official test suite. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import Ajv from "ajv";
import addFormats from "ajv-formats";
import { describe, expect, test } from "vitest";
import { compileJsonSchema } from "../../../src/grammar/index.ts";
import {
  canForbidFormat,
  FORMAT_NAMES,
  type FormatName,
  formatLanguage,
  formatLexeme,
  isFormatName,
  isOfFormat,
  outsideFormat,
  REFUSED_FORMATS,
} from "../../../src/grammar/lexeme/format.ts";
import { acceptor } from "../../support/accepts.ts";
import { FORMAT_REFERENCE } from "../../support/format-reference.ts";
import { oracleOf, randomText } from "../../support/lexeme-program.ts";
import { ProgramOracle } from "../../support/program-oracle.ts";
import { randomFrom, SEED } from "../../support/seed.ts";

const SUITE = new URL("../../../../shared/json-schema-test-suite/tests/", import.meta.url);

const SAMPLES: Readonly<Record<FormatName, readonly string[]>> = {
  date: ["2024-02-29", "2023-02-28", "1999-12-31", "2000-02-29", "1900-02-28", "2024-04-30"],
  time: ["12:34:56Z", "23:59:59.123+05:30", "00:00:00-00:00", "23:59:60Z"],
  "date-time": ["2024-02-29T12:34:56Z", "1999-12-31t23:59:59.9z", "2020-01-01T00:00:00+14:00"],
  duration: ["P1Y2M3DT4H5M6S", "P2W", "PT36H", "P1DT12H", "PT1H30M", "P1M2D"],
  uuid: ["123e4567-e89b-12d3-a456-426614174000", "ABCDEF01-2345-6789-abcd-ef0123456789"],
  email: [
    "a.b+c@example.com",
    "x@localhost",
    '"a \\" b"@a.b',
    "a@[127.0.0.1]",
    "a@[IPv6:1:2::3.4.5.6]",
    "a@[IPv6:::1]",
  ],
  "idn-email": ["δοκιμή@παράδειγμα.example", '"é z"@x-é.y', "a@[IPv6:1:2:3:4:5:6:7:8]"],
  hostname: ["www.example.com", "a--b.c", "1host", `${"a".repeat(63)}.b`, "xn--a.b"],
  ipv4: ["0.0.0.0", "255.255.255.255", "192.168.1.10", "8.8.8.8"],
  ipv6: ["::", "1:2:3:4:5:6:7:8", "::ffff:192.168.0.1", "1::8", "a:b:c:d:e:f:1.2.3.4", "1:2:3::7:8", "1:2:3:4:5:6:7::"],
  uri: ["http://u:p@a.b:80/c/d?e=f#g", "urn:a:b", "file:/etc", "ldap://[2001:db8::7]/c=GB?x", "a://[v1.x:y]", "x:"],
  "uri-reference": ["//a.b/c?d", "/a/b", "a/b:c", "?q", "#f", "", "./a:b", "//[::1.2.3.4]:1"],
  iri: ["http://ƒøø.ßår/?∂é=πîx#πîüx", "a:\u{10330}?\u{f0000}", "http://[::1]/é"],
  "iri-reference": ["//ƒøø.ßår/?∂", "âππ", "#ƒrägmênt", "/â/b:c"],
  "uri-template": ["http://a.b/{x:10}/{y*}{?a,b.c}", "{%41}", "a'b", "{+é}", "é{x}"],
  "json-pointer": ["/foo/bar~0/baz~1", "", "/", "/é/\n"],
  "relative-json-pointer": ["0", "12/a~0b", "3#", "10/x"],
  regex: ["^(a|b)+$", "[^a-z0-9_-]{2,10}?", "(?=x)\\d+\\.", "a{3}|[\\w-]*", "(?:x(y))?\\u00e9", "[ -~]{10,200}"],
};
const CHARACTERS = Array.from(
  "0123456789-:.TPYMDHSWZtz+@aAfFgGvx _/?#[]{}()%~*^$|\\\"'<>,;=!&é\u{10330}\u{e000}\u00ad\u{1fffe}\n",
);

const ajv = new Ajv.default();
addFormats.default(ajv);

/** Texts that are of the format though ajv-formats knows better. */
const AJV_REFUSES: Readonly<Partial<Record<FormatName, RegExp>>> = {
  // Quoted local parts, address literals, single labels.
  email: /^"|\]$|@[^.]*$/,
  // An empty path behind the scheme.
  uri: /^[^:]*:(?:[?#]|$)/,
  // Dots in names, apostrophes.
  "uri-template": /\{[^}]*\.[^}]|'/,
};

describe.each(FORMAT_NAMES)("format %s", (name) => {
  const reference = FORMAT_REFERENCE[name]!;
  const { content, length } = formatLanguage(name);
  const outside = canForbidFormat(name) ? outsideFormat(name).content : undefined;
  const isOffered = (text: string): boolean =>
    content.acceptsText(text) && [...text].length <= (length?.max ?? Number.POSITIVE_INFINITY);

  test("produces only what the reference takes", () => {
    const oracle = oracleOf(formatLexeme(name));
    const random = randomFrom(SEED);
    let produced = 0;
    for (let i = 0; i < 150; i++) {
      const text = randomText(oracle, random, i < 100 ? 60 : 120);
      if (text === undefined) continue;
      produced++;
      const value = JSON.parse(text) as string;
      expect([value, reference(value)]).toEqual([value, true]);
    }
    expect(produced).toBeGreaterThan(5);
  });

  test("agrees with the reference on damaged values", () => {
    const random = randomFrom(SEED);
    const samples = SAMPLES[name];
    let right = 0;
    for (let i = 0; i < 5000; i++) {
      const text = Array.from(samples[i % samples.length]!);
      const times = Math.floor(random() * 4);
      for (let k = 0; k < times; k++) {
        const at = Math.floor(random() * (text.length + 1));
        const replaced = Math.floor(random() * 2);
        const added = random() < 0.5 ? CHARACTERS[Math.floor(random() * CHARACTERS.length)]! : text[at];
        text.splice(at, replaced, ...(random() < 0.8 && added !== undefined ? [added] : []));
      }
      const value = text.join("");
      const expected = reference(value);
      const actual = isOfFormat(name, value);
      if (expected !== undefined && actual !== undefined) expect([value, actual]).toEqual([value, expected]);
      // What cannot be told is neither offered nor taken for something else.
      if (isOffered(value)) expect([value, expected]).toEqual([value, true]);
      if (outside?.acceptsText(value)) expect([value, expected]).toEqual([value, false]);
      right += Number(expected === true);
    }
    expect(right).toBeGreaterThan(500);
  });

  test.runIf(Object.hasOwn(ajv.formats, name))(
    "produces only what ajv-formats takes, but for what it is known to refuse",
    () => {
      const validate = ajv.compile({ type: "string", format: name });
      const oracle = oracleOf(formatLexeme(name));
      const random = randomFrom(SEED + 1);
      for (let i = 0; i < 150; i++) {
        const text = randomText(oracle, random, i < 100 ? 60 : 120);
        const value = JSON.parse(text ?? JSON.stringify(SAMPLES[name][0])) as string;
        if (!AJV_REFUSES[name]?.test(value)) expect([value, validate(value)]).toEqual([value, true]);
      }
    },
  );

  test("is of a size that keeps masks cheap", () => {
    expect(content.numStates).toBeLessThan(500);
  });
});

/** Valid texts that are not offered, by format; see format.ts. */
const NOT_OFFERED: Readonly<Partial<Record<FormatName, RegExp>>> = {
  time: /:60.*[+-](?!00:00)/,
  "date-time": /:60.*[+-](?!00:00)/,
  hostname: /(?:^|\.)xn--/i,
  regex: /\(\?<\w+>/,
};

describe("formats: common", () => {
  const common = (schema: object) => acceptor(schema, { formats: "common" });
  test.each([
    [{ type: "string", format: "email" }, "a.b@example.com", true],
    [{ type: "string", format: "email" }, "a@localhost", false],
    [{ type: "string", format: "email" }, '"a b"@example.com', false],
    [{ type: "string", format: "email" }, "a@[127.0.0.1]", false],
    [{ type: "string", format: "email", pattern: "@localhost$" }, "a@localhost", true],
    [{ type: "string", format: "email", enum: ["a@localhost", "no"] }, "a@localhost", true],
    [{ type: "string", not: { format: "email" } }, "a@localhost", false],
    [{ type: "string", format: "uri" }, "https://example.com", true],
    [{ type: "string", format: "uri" }, "https:", false],
    [{ type: "string", format: "date" }, "2024-02-29", true],
  ] as const)("%j on %j", (schema, text, expected) => {
    expect(common(schema)(JSON.stringify(text))).toBe(expected);
  });
});

describe("formats of the standard", () => {
  test("agree with the official test suite in every draft", () => {
    if (!existsSync(SUITE)) {
      console.log("skipped: the JSON-Schema-Test-Suite is not here");
      return;
    }
    let compared = 0;
    for (const draft of readdirSync(SUITE)) {
      const folder = new URL(`${draft}/optional/format/`, SUITE);
      if (!existsSync(folder)) continue;
      for (const file of readdirSync(folder)) {
        const groups = JSON.parse(readFileSync(new URL(file, folder), "utf8")) as {
          schema: { format?: string };
          tests: { data: unknown; valid: boolean; description: string }[];
        }[];
        for (const { schema, tests } of groups) {
          const { format } = schema;
          if (format === undefined || !isFormatName(format)) continue;
          const { content, length } = formatLanguage(format);
          for (const { data, valid, description } of tests) {
            if (typeof data !== "string") continue;
            const isOffered = content.acceptsText(data) && [...data].length <= (length?.max ?? data.length);
            const expected = valid && !NOT_OFFERED[format]?.test(data);
            expect([draft, format, description, isOffered]).toEqual([draft, format, description, expected]);
            const decided = isOfFormat(format, data);
            if (decided !== undefined)
              expect([draft, format, description, decided]).toEqual([draft, format, description, valid]);
            compared++;
          }
        }
      }
    }
    expect(compared).toBeGreaterThan(800);
  });

  test("know the calendar", () => {
    const date = formatLanguage("date").content;
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

  test("are told from annotations and from what is refused", () => {
    const names = ["date", "uuid", "color", "host-name", "ip-address", "phone", "utc-millisec", "constructor"];
    expect(names.map((name) => isFormatName(name))).toEqual([true, true, false, false, false, false, false, false]);
    expect(() => compileJsonSchema({ type: "string", format: "idn-hostname" })).toThrow(/idn-hostname.*IDNA.*\/format/);
    expect([...REFUSED_FORMATS.keys()].filter((name) => isFormatName(name))).toEqual([]);
    expect(() => compileJsonSchema({ type: "string", format: "phone" })).not.toThrow();
  });
});

describe("formats in schemas", () => {
  const accepts = (schema: object, text: string): boolean =>
    new ProgramOracle(compileJsonSchema(schema).program).accepts(JSON.stringify(text));

  test.each([
    [{ format: "hostname" }, `${"a.".repeat(126)}a`, true],
    [{ format: "hostname" }, `${"a.".repeat(126)}ab`, false],
    [{ format: "hostname", minLength: 5 }, "ab.c", false],
    [{ format: "hostname", minLength: 5, maxLength: 6 }, "ab.cd", true],
    [{ format: "uri", maxLength: 12 }, "http://a.b/c", true],
    [{ format: "uri", maxLength: 12 }, "http://a.b/cd", false],
    [{ format: "uri", pattern: "^https://" }, "https://a.b", true],
    [{ format: "uri", pattern: "^https://" }, "http://a.b", false],
    [{ format: "email", minLength: 6, maxLength: 6, pattern: "@b" }, "aaa@bb", true],
    [{ not: { format: "ipv6" } }, "::1", false],
    [{ not: { format: "ipv6" } }, "::1%eth0", true],
    [{ not: { format: "time" } }, "12:00:00Z", false],
    // Nobody can say at once whether these are of the format, so neither they nor their contrary are offered.
    [{ format: "time" }, "22:59:60-01:00", false],
    [{ not: { format: "time" } }, "22:59:60-01:00", false],
    [{ format: "hostname" }, "xn--l-fda", false],
    [{ not: { format: "hostname" } }, "xn--l-fda", false],
    [{ not: { format: "hostname" } }, "-", true],
    [{ format: "regex" }, "^[a-z]+(?:-[a-z]+)*$", true],
    [{ format: "regex" }, "(a", false],
    [{ format: "regex", enum: ["(?<a>b)\\k<a>", "(?<a>b)\\k<c>"] }, "(?<a>b)\\k<a>", true],
    [{ format: "regex", enum: ["(?<a>b)\\k<a>", "(?<a>b)\\k<c>"] }, "(?<a>b)\\k<c>", false],
  ] as const)("%j on %j", (schema, text, expected) => {
    expect(accepts({ type: "string", ...schema }, text)).toBe(expected);
  });

  test.each([
    { type: "string", not: { format: "regex" } },
    { format: "hostname", enum: ["xn--l-fda"] },
    { format: "relative-json-pointer", const: "1+1/a" },
  ])("%j is refused", (schema) => {
    expect(() => compileJsonSchema(schema)).toThrow(/cannot be told/);
  });
});
