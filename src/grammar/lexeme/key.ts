/**
 * Keys of additional properties: any JSON string whose decoded content is none of the declared names.
 *
 * The complement is built directly: a trie of the names whose every node falls back to the free string automaton as soon as the text leaves the trie. Names are
 * followed through all their spellings, so an escaped `\u0061` does not smuggle in a declared `a`. Cost and size are proportional to the names' lengths.
 */

import { alphabetOf } from "../../fsm/alphabet.ts";
import { SCALAR_VALUES } from "../../fsm/char-set.ts";
import { isNodeRef, refIndex } from "../../fsm/encoding-trie.ts";
import { Lexeme, lexemeTable } from "../../fsm/lexeme.ts";
import { Rule } from "../../fsm/rule.ts";
import { type EscapePolicy, jsonStringTrie, QUOTE, spellingsOf } from "./json-escapes.ts";
import { stringLexeme } from "./json-string.ts";

/** A node of the trie of names; `children` by code point. */
interface NameNode {
  readonly children: Map<number, NameNode>;
  isName: boolean;
  /** The rule's state. */
  state: number;
}

/** A state within the spelling of a character: where the bytes read so far also stand in the free string's trie. */
interface PartNode {
  readonly edges: Map<number, PartNode | NameNode>;
  state: number;
}

/** The free string's trie per policy: one class for all characters. */
const freeTries = new Map<EscapePolicy, ReturnType<typeof jsonStringTrie>>();

function freeTrie(policy: EscapePolicy) {
  let trie = freeTries.get(policy);
  if (trie === undefined) {
    trie = jsonStringTrie(alphabetOf([], SCALAR_VALUES).alphabet, policy);
    freeTries.set(policy, trie);
  }
  return trie;
}

/** The lexeme, quotes included, of all keys but `names` (decoded). Keys take the canonical spelling unless `escapes` says otherwise. */
export function keyLexemeExcept(names: readonly string[], escapes: EscapePolicy = "canonical"): Lexeme {
  if (names.length === 0) return stringLexeme("any", { escapes, name: "key" });
  const rule = new Rule({ name: "key" });
  const open = rule.addState();
  const closed = rule.addState(true);
  const trie = freeTrie(escapes);
  // The free string: one state for each node of its trie; the root is where any character has been completed.
  const free = trie.nodes.map(() => rule.addState());
  trie.nodes.forEach((_, node) => {
    addEdges(node, free[node]!, undefined);
  });
  rule.addBytes(free[trie.root]!, QUOTE, QUOTE, closed);

  const root = nameTrie(names);
  root.state = rule.addState();
  rule.addBytes(open, QUOTE, QUOTE, root.state);
  const work: NameNode[] = [root];
  for (let node = work.pop(); node !== undefined; node = work.pop()) {
    if (!node.isName) rule.addBytes(node.state, QUOTE, QUOTE, closed);
    for (const child of node.children.values()) {
      child.state = rule.addState();
      work.push(child);
    }
    addEdges(trie.root, node.state, spellNode(node, escapes));
  }
  return new Lexeme("key", lexemeTable(rule));

  /** The edges of `node` of the free trie at `state`, except for the bytes that `part` follows itself. Recursion is as deep as a spelling. */
  function addEdges(node: number, state: number, part: PartNode | undefined): void {
    const triples = trie.nodes[node]!; // Invariant: references name existing nodes.
    for (let i = 0; i < triples.length; i += 3) {
      const ref = triples[i + 2]!;
      const fallback = isNodeRef(ref) ? free[refIndex(ref)]! : free[trie.root]!;
      let lo = triples[i]!;
      for (let byte = lo; part !== undefined && byte <= triples[i + 1]!; byte++) {
        const own = part.edges.get(byte);
        if (own === undefined) continue;
        if (lo < byte) rule.addBytes(state, lo, byte - 1, fallback);
        lo = byte + 1;
        if ("isName" in own) {
          rule.addBytes(state, byte, byte, own.state);
        } else {
          if (own.state === -1) {
            own.state = rule.addState();
            addEdges(refIndex(ref), own.state, own);
          }
          rule.addBytes(state, byte, byte, own.state);
        }
      }
      if (lo <= triples[i + 1]!) rule.addBytes(state, lo, triples[i + 1]!, fallback);
    }
  }
}

const LONE_SURROGATE = /\p{Surrogate}/u;

function nameTrie(names: readonly string[]): NameNode {
  const root: NameNode = { children: new Map(), isName: false, state: -1 };
  for (const name of names) {
    // No JSON text that is accepted decodes to a lone surrogate.
    if (LONE_SURROGATE.test(name)) continue;
    let node = root;
    for (const character of name) {
      const c = character.codePointAt(0)!;
      let child = node.children.get(c);
      if (child === undefined) {
        child = { children: new Map(), isName: false, state: -1 };
        node.children.set(c, child);
      }
      node = child;
    }
    node.isName = true;
  }
  return root;
}

/** All spellings of all next characters of the names, as a trie of bytes. */
function spellNode(node: NameNode, escapes: EscapePolicy): PartNode {
  const root: PartNode = { edges: new Map(), state: -1 };
  for (const [c, child] of node.children) {
    for (const spelling of spellingsOf(c, escapes)) {
      let parts: PartNode[] = [root];
      spelling.forEach((bytes, i) => {
        const isLast = i === spelling.length - 1;
        const next: PartNode[] = [];
        for (const part of parts) {
          for (const byte of bytes) {
            if (isLast) {
              part.edges.set(byte, child);
              continue;
            }
            let below = part.edges.get(byte) as PartNode | undefined;
            if (below === undefined) {
              // Both cases of a hexadecimal digit lead to the same place.
              below = next.find((known) => bytes.some((other) => part.edges.get(other) === known));
              below ??= { edges: new Map(), state: -1 };
              part.edges.set(byte, below);
            }
            if (!next.includes(below)) next.push(below);
          }
        }
        parts = next;
      });
    }
  }
  return root;
}
