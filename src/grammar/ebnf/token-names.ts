/** Token names and ids in grammars: special tokens never match by their text, so a grammar names them, and somebody who has the tokenizer resolves the names. */

import type { CharSet } from "../../fsm/char-set.ts";
import { setOfRanges, subtractSet } from "../../fsm/char-set.ts";

export interface TokenOptions {
  /** The id of the token with this text; undefined when the vocabulary has none. */
  readonly tokenId?: ((text: string) => number | undefined) | undefined;
  /** Names the tokenizer behind `tokenId`, for caches. */
  readonly tokenizerKey?: string | undefined;
  /** Number of token ids; needed for "any token but these". */
  readonly vocabSize?: number | undefined;
  /** Tokens that end a generation: "any token" never means them. */
  readonly stopTokenIds?: readonly number[] | undefined;
}

/** Resolves tokens; `fail` says where the grammar names what cannot be resolved. */
export class TokenNames {
  private readonly options: TokenOptions;

  constructor(options: TokenOptions = {}) {
    this.options = options;
  }

  idOf(token: number | string, fail: (message: string) => never): number {
    const { tokenId, vocabSize } = this.options;
    if (typeof token === "number") {
      if (vocabSize !== undefined && token >= vocabSize) {
        return fail(`there is no token ${token}: the vocabulary has ${vocabSize}`);
      }
      return token;
    }
    if (tokenId === undefined) return fail(`token ${JSON.stringify(token)} cannot be looked up without a tokenizer`);
    return tokenId(token) ?? fail(`the vocabulary has no token ${JSON.stringify(token)}`);
  }

  setOf(tokens: readonly (number | string)[], fail: (message: string) => never): CharSet {
    return setOfRanges(
      tokens.map((token) => {
        const id = this.idOf(token, fail);
        return [id, id] as const;
      }),
    );
  }

  /** All tokens but those of `set` and the stop tokens. */
  allBut(set: CharSet, fail: (message: string) => never): CharSet {
    const { vocabSize, stopTokenIds = [] } = this.options;
    if (vocabSize === undefined) return fail('"any token but these" needs the size of the vocabulary');
    const stops = setOfRanges(stopTokenIds.map((id) => [id, id] as const));
    return subtractSet(subtractSet([0, vocabSize - 1], set), stops);
  }
}
