/**
 * An independent recognizer of the grammar IR, for tests: Earley's algorithm over code points on a plain expansion into productions. It shares nothing with the
 * compiler but the reader, and nothing in it is clever.
 */

import { setContains } from "../../src/fsm/char-set.ts";
import type { GrammarNode, GrammarRule } from "../../src/grammar/ebnf/grammar.ts";

/** A rule number, or a test of one code point. */
type Item = number | ((codePoint: number) => boolean);

/** Token elements, dispatch and rule options are beyond it. */
export class EarleyRecognizer {
  /** Alternatives by rule number. */
  private readonly productions: (readonly Item[])[][] = [];
  private readonly root: number;

  constructor(rules: readonly GrammarRule[], root: number) {
    for (const _ of rules) this.productions.push([]);
    rules.forEach(({ body }, i) => {
      this.productions[i]!.push([this.itemOf(body)]);
    });
    this.root = root;
  }

  accepts(text: string): boolean {
    const codePoints = Array.from(text, (c) => c.codePointAt(0)!);
    /** Dotted productions by position: rule, alternative, dot, origin. */
    const sets: Map<string, [number, number, number, number]>[] = codePoints.map(() => new Map());
    sets.push(new Map());
    const add = (at: number, entry: [number, number, number, number]): boolean => {
      const key = entry.join();
      if (sets[at]!.has(key)) return false;
      sets[at]!.set(key, entry);
      return true;
    };
    this.productions[this.root]!.forEach((_, a) => {
      add(0, [this.root, a, 0, 0]);
    });
    for (let at = 0; at <= codePoints.length; at++) {
      // Until nothing changes, which makes empty productions a matter of course.
      for (let grew = true; grew; ) {
        grew = false;
        for (const [rule, alternative, dot, origin] of [...sets[at]!.values()]) {
          const item = this.productions[rule]![alternative]![dot];
          if (item === undefined) {
            for (const [r, a, d, o] of [...sets[origin]!.values()]) {
              if (this.productions[r]![a]![d] === rule && add(at, [r, a, d + 1, o])) grew = true;
            }
          } else if (typeof item === "number") {
            this.productions[item]!.forEach((_, a) => {
              if (add(at, [item, a, 0, at])) grew = true;
            });
          }
        }
      }
      const c = codePoints[at];
      if (c === undefined) break;
      for (const [rule, alternative, dot, origin] of sets[at]!.values()) {
        const item = this.productions[rule]![alternative]![dot];
        if (typeof item === "function" && item(c)) add(at + 1, [rule, alternative, dot + 1, origin]);
      }
    }
    return this.productions[this.root]!.some((production, a) =>
      sets[codePoints.length]!.has([this.root, a, production.length, 0].join()),
    );
  }

  private rule(alternatives: (readonly Item[])[]): number {
    return this.productions.push(alternatives) - 1;
  }

  private itemOf(node: GrammarNode): Item {
    switch (node.kind) {
      case "text":
        return this.rule([Array.from(node.text, (c) => (codePoint: number) => codePoint === c.codePointAt(0))]);
      case "set":
        return (codePoint) => setContains(node.set, codePoint);
      case "sequence":
        return this.rule([node.items.map((item) => this.itemOf(item))]);
      case "choice":
        return this.rule(node.items.map((item) => [this.itemOf(item)]));
      case "repeat": {
        const item = this.itemOf(node.item);
        const required = new Array<Item>(node.min).fill(item);
        if (node.max === Number.POSITIVE_INFINITY) {
          const more = this.rule([[]]);
          this.productions[more]!.push([item, more]);
          return this.rule([[...required, more]]);
        }
        return this.rule(
          Array.from({ length: node.max - node.min + 1 }, (_, i) => [...required, ...new Array<Item>(i).fill(item)]),
        );
      }
      case "ref":
        return node.rule;
      default:
        throw new Error(`the recognizer does not know ${node.kind}`);
    }
  }
}
