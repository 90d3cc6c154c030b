/**
 * Whether a program accepts a value under any order of its objects' members.
 *
 * The grammar writes members in the schema's order; texts made by others may not. This tells such texts from those that are really refused: a depth-first
 * search over orders, cut wherever the oracle refuses a prefix.
 */

import { type JsonValue, parseJson } from "../../src/grammar/index.ts";
import { stringText } from "../../src/grammar/json/print.ts";

/** The oracle, or what reads programs like it. */
export interface ProgramReader<At extends { readonly complete: boolean }> {
  start(): At;
  advance(at: At, bytes: Uint8Array): { readonly accepted: number; readonly end: At };
}

const MAX_STEPS = 60_000;

/**
 * `separators`: the spellings of comma and colon. `schema`: the schema's text, in which names that come early are likely to come early in its objects;
 * the search is short where that is so.
 */
export function acceptsInSomeOrder<At extends { readonly complete: boolean }>(
  oracle: ProgramReader<At>,
  text: string,
  [comma, colon]: readonly [string, string] = [", ", ": "],
  schema = "",
): boolean {
  const rank = ([key]: readonly [string, JsonValue]): number => {
    const at = schema.indexOf(`${stringText(key)}:`);
    return at === -1 ? schema.length : at;
  };
  const encoder = new TextEncoder();
  let steps = 0;
  type Next = (configuration: At) => boolean;

  const write = (configuration: At, piece: string, next: Next): boolean => {
    if (++steps > MAX_STEPS) return false;
    const bytes = encoder.encode(piece);
    const { accepted, end } = oracle.advance(configuration, bytes);
    return accepted === bytes.length && next(end);
  };
  const value = (configuration: At, node: JsonValue, next: Next): boolean => {
    switch (node.kind) {
      case "array": {
        const item = (at: At, index: number): boolean => {
          const element = node.items[index];
          if (element === undefined) return write(at, "]", next);
          const then: Next = (end) => item(end, index + 1);
          return write(at, index === 0 ? "" : comma, (ready) => value(ready, element, then));
        };
        return write(configuration, "[", (at) => item(at, 0));
      }
      case "object": {
        const member = (at: At, left: readonly [string, JsonValue][]): boolean => {
          if (left.length === 0) return write(at, "}", next);
          const separator = left.length === node.members.size ? "" : comma;
          const startable = left.filter(([key]) => write(at, `${separator}${stringText(key)}`, () => true));
          return startable.some(([key, element]) => {
            const rest = left.filter((other) => other[0] !== key);
            const then: Next = (end) => member(end, rest);
            return write(at, `${separator}${stringText(key)}${colon}`, (ready) => value(ready, element, then));
          });
        };
        const members = [...node.members].sort((a, b) => rank(a) - rank(b));
        return write(configuration, "{", (at) => member(at, members));
      }
      case "string":
        return write(configuration, stringText(node.value), next);
      case "number":
        return write(configuration, node.lexeme, next);
      case "boolean":
        return write(configuration, String(node.value), next);
      case "null":
        return write(configuration, "null", next);
    }
  };
  return value(oracle.start(), parseJson(text), (end) => end.complete);
}
