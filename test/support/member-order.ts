/**
 * Whether a program accepts a value under any order of its objects' members.
 *
 * The grammar writes members in the schema's order; texts made by others may not. This tells such texts from those that are really refused: a depth-first
 * search over orders, cut wherever the oracle refuses a prefix.
 */

import { type JsonValue, parseJson } from "../../src/grammar/index.ts";
import { stringText } from "../../src/grammar/json/print.ts";
import type { OracleConfiguration, ProgramOracle } from "./program-oracle.ts";

const MAX_STEPS = 60_000;

/** `separators`: the spellings of comma and colon. */
export function acceptsInSomeOrder(
  oracle: ProgramOracle,
  text: string,
  [comma, colon]: readonly [string, string] = [", ", ": "],
): boolean {
  const encoder = new TextEncoder();
  let steps = 0;
  type Next = (configuration: OracleConfiguration) => boolean;

  const write = (configuration: OracleConfiguration, piece: string, next: Next): boolean => {
    if (++steps > MAX_STEPS) return false;
    const bytes = encoder.encode(piece);
    const { accepted, end } = oracle.advance(configuration, bytes);
    return accepted === bytes.length && next(end);
  };
  const value = (configuration: OracleConfiguration, node: JsonValue, next: Next): boolean => {
    switch (node.kind) {
      case "array": {
        const item = (at: OracleConfiguration, index: number): boolean => {
          const element = node.items[index];
          if (element === undefined) return write(at, "]", next);
          const then: Next = (end) => item(end, index + 1);
          return write(at, index === 0 ? "" : comma, (ready) => value(ready, element, then));
        };
        return write(configuration, "[", (at) => item(at, 0));
      }
      case "object": {
        const member = (at: OracleConfiguration, left: readonly [string, JsonValue][]): boolean => {
          if (left.length === 0) return write(at, "}", next);
          const separator = left.length === node.members.size ? "" : comma;
          const startable = left.filter(([key]) => write(at, `${separator}${stringText(key)}`, () => true));
          return startable.some(([key, element]) => {
            const rest = left.filter((other) => other[0] !== key);
            const then: Next = (end) => member(end, rest);
            return write(at, `${separator}${stringText(key)}${colon}`, (ready) => value(ready, element, then));
          });
        };
        return write(configuration, "{", (at) => member(at, [...node.members]));
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
