/**
 * Spellings of other regex dialects (Python, RE2, PCRE) that schemas in the wild use, rewritten to ECMA-262.
 *
 * When: only for patterns that ECMA-262 with `u` refuses, and before its looser readings are tried. Those would accept some of these
 * patterns with a meaning that nobody wants: `\A` as a letter, `[[:alpha:]]` as a set of punctuation and letters, `\x{41}` as 41 times an x. A pattern
 * that is valid under `u` means what ECMA-262 says, always: `[:alpha:]` in single brackets is a class of these characters.
 *
 * What: `(?i)`, `(?s)`, `(?m)` and their combinations, for the rest of the group they stand in; `(?P<name>…)`; `(?#…)`; `\A`, `\z` and `\Z`, the
 * last as the very end of the text, as Python has it (others also allow a line feed behind it, and accept all that this accepts); `\x{41}`; `\pL`; POSIX
 * classes inside of brackets, as ASCII sets. `(?u)` and `(?a)` change nothing here.
 *
 * Not: possessive quantifiers, atomic groups, conditionals, recursion, and the flags `x` and `U` are refused by name: their languages are regular, but
 * matching them needs what a match by backtracking would have skipped, or another reading of every character.
 *
 * Errors: REGEX_UNSUPPORTED { offset }.
 */

import { DiecastError } from "../../errors.ts";

export interface RewrittenPattern {
  /** ECMA-262. */
  readonly source: string;
  /** The spellings replaced, each once, in order of appearance. */
  readonly spellings: readonly string[];
  /** Where an offset in `source` lies in the original. */
  offsetOf(offset: number): number;
}

const POSIX_CLASSES: Readonly<Record<string, string>> = {
  alnum: "a-zA-Z0-9",
  alpha: "a-zA-Z",
  ascii: "\\x00-\\x7f",
  blank: " \\t",
  cntrl: "\\x00-\\x1f\\x7f",
  digit: "0-9",
  graph: "\\x21-\\x7e",
  lower: "a-z",
  print: "\\x20-\\x7e",
  punct: "\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e",
  space: "\\t-\\r ",
  upper: "A-Z",
  word: "\\w",
  xdigit: "0-9A-Fa-f",
};

const REFUSED_GROUPS: readonly (readonly [RegExp, string])[] = [
  [/^\(\?>/, "atomic groups"],
  [/^\(\?\(/, "conditional groups"],
  [/^\(\?\|/, "branch-reset groups"],
  [/^\(\?(?:R|[0-9]|&|P>)/, "recursion"],
  [/^\(\?P=/, "back-references"],
];

/** The pattern in ECMA-262; undefined if it has no foreign spelling. */
export function rewriteForeign(source: string): RewrittenPattern | undefined {
  return new Rewriter(source).rewrite();
}

class Rewriter {
  readonly #source: string;
  readonly #spellings = new Set<string>();
  /** For each character written, where it comes from. */
  readonly #offsets: number[] = [];
  /** Per open group, the flags that were switched on in it: each is a group of its own until the end of the alternative. */
  readonly #flags: string[][] = [[]];
  #written = "";
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  rewrite(): RewrittenPattern | undefined {
    let follows = false;
    while (this.#at < this.#source.length) {
      const quantifier = follows ? /^(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})/.exec(this.#rest(40)) : null;
      if (quantifier !== null) {
        this.#copy(quantifier[0].length);
        if (this.#source[this.#at] === "+") this.#refuse("possessive quantifiers");
        if (this.#source[this.#at] === "?") this.#copy(1);
        follows = false;
      } else follows = this.#element();
    }
    while (this.#flags.length > 0) this.#close();
    if (this.#spellings.size === 0) return undefined;
    const offsets = this.#offsets;
    return {
      source: this.#written,
      spellings: [...this.#spellings],
      offsetOf: (offset) => offsets[offset] ?? this.#source.length,
    };
  }

  /** Rewrites what is no quantifier. Returns whether a quantifier may follow. */
  #element(): boolean {
    const c = this.#source[this.#at];
    switch (c) {
      case "\\":
        return this.#escape(false);
      case "[":
        this.#class();
        return true;
      case "(":
        return this.#group();
      case ")":
        if (this.#flags.length > 1) this.#close();
        this.#copy(1);
        return true;
      case "|": {
        const open = this.#flags.at(-1)!; // Invariant: the outermost level is closed only at the end.
        this.#write(")".repeat(open.length));
        this.#copy(1);
        for (const flags of open) this.#write(`(?${flags}:`);
        return false;
      }
      default:
        this.#copy(1);
        return c !== "^" && c !== "$";
    }
  }

  #group(): boolean {
    const rest = this.#rest(60);
    for (const [start, what] of REFUSED_GROUPS) if (start.test(rest)) this.#refuse(what);
    const flags = /^\(\?([a-zA-Z]*)(-[a-zA-Z]+)?([:)])/.exec(rest);
    if (rest.startsWith("(?#")) {
      const end = this.#source.indexOf(")", this.#at);
      if (end === -1) {
        this.#copy(3);
        return false;
      }
      this.#replace(end + 1 - this.#at, "", "(?#…)");
      // The comment is not there: a quantifier behind it belongs to what stands before it.
      return true;
    }
    if (rest.startsWith("(?P<")) {
      this.#replace(4, "(?<", "(?P<…>…)");
      this.#flags.push([]);
      return false;
    }
    if (flags === null || (flags[1] === "" && flags[2] === undefined)) {
      this.#flags.push([]);
      // Of `(?:`, `(?=` and the like the question mark is no quantifier.
      this.#copy(rest.startsWith("(?") ? 2 : 1);
      return false;
    }
    const [whole, on = "", off = "", end] = flags;
    if (/[xUJn]/.test(on + off)) this.#refuse(`the flags (?${on}${off})`);
    // Unicode and ASCII flags: the reading is over code points with ASCII escapes in any case.
    const known = on.replace(/[uaL]/g, "") + off.replace(/[uaL]/g, "").replace(/^-$/, "");
    if (end === ":") {
      if (known === on + off) this.#copy(whole.length);
      else this.#replace(whole.length, `(?${known}:`, whole);
      this.#flags.push([]);
      return false;
    }
    this.#replace(whole.length, known === "" ? "" : `(?${known}:`, whole);
    if (known !== "") this.#flags.at(-1)!.push(known); // Invariant: as above.
    return false;
  }

  #escape(inClass: boolean): boolean {
    const rest = this.#rest(16);
    const code = /^\\x\{([0-9a-fA-F]{1,8})\}/.exec(rest);
    const property = /^\\([pP])([A-Z])/.exec(rest);
    if (code !== null) this.#replace(code[0].length, `\\u{${code[1]}}`, "\\x{…}");
    else if (property !== null) this.#replace(3, `\\${property[1]}{${property[2]}}`, property[0]);
    else if (!inClass && /^\\A/.test(rest)) this.#replace(2, "(?-m:^)", "\\A");
    else if (!inClass && /^\\[zZ]/.test(rest)) this.#replace(2, "(?-m:$)", rest.slice(0, 2));
    else {
      // Names in braces are no quantifiers.
      const braces = /^\\[pPukN]\{[^}]*\}/.exec(this.#rest(80));
      this.#copy(braces?.[0].length ?? 2);
    }
    return true;
  }

  /** A bracket expression, to its end. */
  #class(): void {
    this.#copy(this.#source[this.#at + 1] === "^" ? 2 : 1);
    while (this.#at < this.#source.length) {
      const c = this.#source[this.#at];
      const posix = c === "[" ? /^\[:(\^?)([a-z]+):\]/.exec(this.#rest(20)) : null;
      const set = posix === null ? undefined : POSIX_CLASSES[posix[2] ?? ""];
      if (posix !== null && set !== undefined) {
        if (posix[1] !== "") this.#refuse("negated POSIX classes");
        this.#replace(posix[0].length, set, posix[0]);
      } else if (c === "\\") this.#escape(true);
      else {
        this.#copy(1);
        if (c === "]") return;
      }
    }
  }

  /** Ends the innermost level: the flag groups opened in it. */
  #close(): void {
    this.#write(")".repeat(this.#flags.pop()?.length ?? 0));
  }

  #rest(length: number): string {
    return this.#source.slice(this.#at, this.#at + length);
  }

  #copy(length: number): void {
    for (const c of this.#rest(length)) {
      this.#write(c);
      this.#at += c.length;
    }
  }

  #replace(length: number, text: string, spelling: string): void {
    this.#spellings.add(spelling);
    this.#write(text);
    this.#at += length;
  }

  #write(text: string): void {
    this.#written += text;
    for (let i = 0; i < text.length; i++) this.#offsets.push(this.#at);
  }

  #refuse(what: string): never {
    throw new DiecastError("REGEX_UNSUPPORTED", `${what} are not supported`.replace("recursion are", "recursion is"), {
      offset: this.#at,
    });
  }
}
