/** The native matcher, byte by byte, where a test would take the oracle if that were faster. */

import { loadBinding, type NativeMatcher } from "../../src/engine/binding.ts";
import { byteTokenizer } from "../../src/engine/byte-tokenizer.ts";
import type { ProgramReader } from "./member-order.ts";

const native = loadBinding();
const vocabulary = new native.Vocabulary(byteTokenizer());

interface At {
  readonly matcher: NativeMatcher;
  readonly complete: boolean;
}

export class NativeReader implements ProgramReader<At> {
  readonly #matcher: NativeMatcher;

  constructor(program: Uint8Array) {
    this.#matcher = new native.Matcher(new native.CompiledGrammar(vocabulary, program));
  }

  start(): At {
    return { matcher: this.#matcher, complete: this.#matcher.isComplete };
  }

  /** Where fewer bytes are accepted than given, the place stays the same. */
  advance({ matcher }: At, bytes: Uint8Array): { accepted: number; end: At } {
    const end = matcher.fork();
    const accepted = end.acceptBytes(bytes);
    return { accepted, end: { matcher: end, complete: end.isComplete } };
  }

  accepts(text: string): boolean {
    const bytes = new TextEncoder().encode(text);
    const { accepted, end } = this.advance(this.start(), bytes);
    return accepted === bytes.length && end.complete;
  }
}
