/**
 * The standard formats once more, as plain code that takes a text apart: what the automata are compared with. Each function says exactly whether a text is
 * of the format; none shares anything with the patterns of `src/grammar/lexeme`.
 */

import { isIPv4, isIPv6 } from "node:net";
import Ajv from "ajv";
import addFormats from "ajv-formats";

const ajv = new Ajv.default();
addFormats.default(ajv);
const byAjv = (name: string): ((text: string) => boolean) => ajv.compile({ type: "string", format: name });
const ajvTime = byAjv("time");
const ajvDate = byAjv("date");

/** Ajv moreover takes offsets without colon or minutes. */
const isTime = (text: string): boolean => ajvTime(text) && /(?:z|[+-]\d\d:\d\d)$/i.test(text);

/** Letters beyond ASCII in IRIs, and in their queries. */
const isUcs = (c: number): boolean =>
  (c >= 0xa0 && c <= 0xd7ff) ||
  (c >= 0xf900 && c <= 0xfdcf) ||
  (c >= 0xfdf0 && c <= 0xffef) ||
  (c >= 0x10000 && c <= 0xefffd && (c & 0xffff) <= 0xfffd && !(c >= 0xe0000 && c < 0xe1000));
const isPrivate = (c: number): boolean =>
  (c >= 0xe000 && c <= 0xf8ff) || (c >= 0xf0000 && c <= 0x10fffd && (c & 0xffff) <= 0xfffd);

/** Whether `text` consists of percent-encoded bytes, characters of `ascii`, and others that `isOther` takes. */
function isMadeOf(text: string, ascii: string, isOther: (c: number) => boolean = () => false): boolean {
  return Array.from(text.replace(/%[0-9a-f]{2}/gi, "")).every((character) => {
    const c = character.codePointAt(0)!;
    return c < 0x80 ? ascii.includes(character) : isOther(c);
  });
}

const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UNRESERVED = `${ALPHANUMERIC}-._~`;
const SUB_DELIMITERS = "!$&'()*+,;=";

function isReference(text: string, needsScheme: boolean, isInternational: boolean): boolean {
  const letters = isInternational ? isUcs : (): boolean => false;
  // RFC 3986, appendix B.
  const parts = /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#([\s\S]*))?$/.exec(text);
  if (parts === null) return false;
  const [, scheme, authority, path = "", query = "", fragment = ""] = parts;
  if (scheme === undefined ? needsScheme : !/^[a-z][a-z0-9+.-]*$/i.test(scheme)) return false;
  const inPath = `${UNRESERVED}${SUB_DELIMITERS}:@`;
  if (!isMadeOf(path, `${inPath}/`, letters) || !isMadeOf(fragment, `${inPath}/?`, letters)) return false;
  if (!isMadeOf(query, `${inPath}/?`, (c) => letters(c) || (isInternational && isPrivate(c)))) return false;
  if (authority === undefined) {
    return !(scheme === undefined && path.split("/")[0]!.includes(":"));
  }
  const at = authority.lastIndexOf("@");
  if (at !== -1 && !isMadeOf(authority.slice(0, at), `${UNRESERVED}${SUB_DELIMITERS}:`, letters)) return false;
  const { host, port } = /^(?<host>\[[^\]]*\]|[^:[]*)(?<port>:[\s\S]*)?$/.exec(authority.slice(at + 1))?.groups ?? {};
  if (host === undefined || !/^(?::[0-9]*)?$/.test(port ?? "")) return false;
  if (!host.startsWith("[")) return isMadeOf(host, UNRESERVED + SUB_DELIMITERS, letters);
  const literal = host.slice(1, -1);
  if (literal.includes("%")) return false;
  return isIPv6(literal) || /^v[0-9a-f]+\.[\w.~!$&'()*+,;=:-]+$/i.test(literal);
}

function isTemplate(text: string): boolean {
  const outside = text.replace(/\{([^{}]*)\}/g, (whole, inside: string) => {
    const names = /[+#./;?&=,!@|]/.test(inside[0] ?? "") ? inside.slice(1) : inside;
    const isFine = names.split(",").every((variable) => {
      const [, name = ""] = /^([^:*]*)(?:\*|:[1-9]\d{0,3})?$/.exec(variable) ?? [];
      return name.split(".").every((part) => part !== "" && isMadeOf(part, `${ALPHANUMERIC}_`));
    });
    return isFine ? "" : whole;
  });
  return isMadeOf(outside, `${UNRESERVED}${SUB_DELIMITERS}:/?#[]@`, (c) => isUcs(c) || isPrivate(c));
}

function isMailbox(text: string, isInternational: boolean): boolean {
  const isLetter = (character: string): boolean =>
    character.codePointAt(0)! >= 0x80 ? isInternational : ALPHANUMERIC.includes(character);
  const at = text.lastIndexOf("@");
  if (at === -1) return false;
  const local = text.slice(0, at);
  const domain = text.slice(at + 1);
  if (local.startsWith('"')) {
    const inside = /^"([\s\S]*)"$/.exec(local)?.[1]?.replace(/\\[ -~]/g, "");
    if (inside === undefined || /["\\]/.test(inside)) return false;
    if (!Array.from(inside).every((c) => (c >= " " && c <= "~") || isLetter(c))) return false;
  } else {
    const isAtom = (atom: string): boolean =>
      atom !== "" && Array.from(atom).every((c) => isLetter(c) || "!#$%&'*+-/=?^_`{|}~".includes(c));
    if (!local.split(".").every(isAtom)) return false;
  }
  const literal = /^\[([\s\S]*)\]$/.exec(domain)?.[1];
  if (literal !== undefined) {
    const plain = literal.replace(/(?<![0-9a-f.])0+(?=\d)(?=[\d.]*$)|(?<=\.)0+(?=\d)/gi, "");
    if (/\d{4,}\.|\.\d{4,}/.test(literal)) return false;
    if (isIPv4(plain)) return true;
    // `::` stands for two groups or more.
    return /^ipv6:/i.test(plain) && isIPv6(plain.slice(5)) && !/%/.test(plain) && numGroups(plain.slice(5)) <= 6;
  }
  return domain.split(".").every((label) => {
    const characters = Array.from(label);
    const isInner = (c: string): boolean => c === "-" || isLetter(c);
    return characters.every(isInner) && isLetter(characters[0] ?? "-") && isLetter(characters.at(-1)!);
  });
}

/** Groups written out, or 0 when all eight are. */
function numGroups(address: string): number {
  if (!address.includes("::")) return 0;
  return address.split(":").reduce((sum, group) => sum + (group === "" ? 0 : group.includes(".") ? 2 : 1), 0);
}

/** Undefined for encoded labels. */
function isHostname(text: string): boolean | undefined {
  const labels = text.split(".");
  if (text.length > 253 || !labels.every((label) => /^(?!-)[a-z0-9-]{1,63}(?<!-)$/i.test(label))) return false;
  return labels.some((label) => /^xn--/i.test(label)) ? undefined : true;
}

function isDuration(text: string): boolean {
  if (/^P\d+W$/.test(text)) return true;
  const [, date = "", time] = /^P([^T]*)(?:T([\s\S]*))?$/.exec(text) ?? [];
  const isRun = (part: string, units: string): boolean => {
    const rest = part.replace(/\d+([A-Z])/g, "$1");
    return rest !== "" && units.includes(rest) && /^(?:\d+[A-Z])+$/.test(part);
  };
  if (date === "" && time === undefined) return false;
  return (date === "" || isRun(date, "YMD")) && (time === undefined || isRun(time, "HMS"));
}

const isPointer = (text: string): boolean => text === "" || (text.startsWith("/") && !/~(?![01])/.test(text));

/** Whether a text is of the format; undefined where the automata are not asked for an answer. */
export const FORMAT_REFERENCE: Readonly<Record<string, (text: string) => boolean | undefined>> = {
  date: (text) => ajvDate(text),
  time: isTime,
  "date-time": (text) => ajvDate(text.slice(0, 10)) && /^t/i.test(text.slice(10)) && isTime(text.slice(11)),
  duration: isDuration,
  uuid: (text) => byUuid(text) && !/^urn/i.test(text),
  email: (text) => isMailbox(text, false),
  "idn-email": (text) => isMailbox(text, true),
  hostname: isHostname,
  ipv4: (text) => isIPv4(text),
  ipv6: (text) => isIPv6(text) && !text.includes("%"),
  uri: (text) => isReference(text, true, false),
  "uri-reference": (text) => isReference(text, false, false),
  iri: (text) => isReference(text, true, true),
  "iri-reference": (text) => isReference(text, false, true),
  "uri-template": isTemplate,
  "json-pointer": isPointer,
  "relative-json-pointer": (text) => {
    const rest = /^(?:0|[1-9][0-9]*)([\s\S]*)$/.exec(text)?.[1];
    return rest !== undefined && (rest === "#" || isPointer(rest));
  },
  regex: (text) => {
    try {
      return new RegExp(text, "u").source !== "";
    } catch {
      return false;
    }
  },
};

const byUuid = byAjv("uuid");
