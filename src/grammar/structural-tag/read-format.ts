/**
 * Reads structural tags, form by form, into the grammar IR.
 *
 * An enclosing `tag` bounds what is unlimited inside of it: its end strings join the excludes of free text at the same level, its end token those of free tokens.
 * "Same level" ends at the next tag. Recursion is bounded by `maxDepth`.
 */

import { DiecastError } from "../../errors.ts";
import { type CharSet, intersectSets, subtractSet, unionOf } from "../../fsm/char-set.ts";
import type { Dfa } from "../../fsm/dfa.ts";
import { isEmptyLanguage } from "../../fsm/dfa-algebra.ts";
import { Lexeme } from "../../fsm/lexeme.ts";
import type { ProgramBuilder } from "../../fsm/program-builder.ts";
import type { Budget } from "../budget.ts";
import { freeText } from "../ebnf/free-text.ts";
import {
  choiceOf,
  type GrammarNode,
  type GrammarRule,
  repeatOf,
  sequenceOf,
  textOf as textNode,
} from "../ebnf/grammar.ts";
import type { EbnfLimits } from "../ebnf/limits.ts";
import { tokenDispatchNode } from "../ebnf/macros.ts";
import { parseEbnf } from "../ebnf/parse.ts";
import { regexNode } from "../ebnf/regex-node.ts";
import { upToLimit, withoutEmpty } from "../ebnf/regular.ts";
import { MAX_LIMIT_STATES } from "../ebnf/rule-limits.ts";
import { textLexeme } from "../ebnf/text-lexeme.ts";
import type { TokenNames } from "../ebnf/token-names.ts";
import type { JsonValue } from "../json/value.ts";
import { schemaLowering } from "../json-schema/compile.ts";
import type { ResolvedOptions } from "../options.ts";
import { FormatReader, invalidTag, textOf, tokenOf } from "./reader.ts";
import { isXmlStyle } from "./xml-spelling.ts";
import { xmlObject } from "./xml-style.ts";

export interface FormatContext {
  readonly builder: ProgramBuilder;
  readonly rules: GrammarRule[];
  readonly tokens: TokenNames;
  readonly budget: Budget;
  readonly schema: ResolvedOptions;
  readonly ebnfLimits: Partial<EbnfLimits> | undefined;
  readonly maxDepth: number;
}

/** What the nearest enclosing tag ends with. */
interface Ends {
  readonly texts: readonly string[];
  readonly tokens: CharSet;
}

const NO_ENDS: Ends = { texts: [], tokens: [] };
const UNLIMITED = Number.POSITIVE_INFINITY;

interface Tag {
  readonly pointer: string;
  readonly begin: string | CharSet;
  /** Content and end. */
  readonly rest: GrammarNode;
}

export class FormatTree {
  private readonly context: FormatContext;
  private depth = 0;
  numFormats = 0;

  constructor(context: FormatContext) {
    this.context = context;
  }

  read(value: JsonValue, pointer: string): GrammarNode {
    return this.format(value, pointer, NO_ENDS);
  }

  private format(value: JsonValue, pointer: string, ends: Ends): GrammarNode {
    const { budget, maxDepth } = this.context;
    const reader = new FormatReader(value, pointer);
    budget.spendNode();
    this.numFormats++;
    if (++this.depth > maxDepth) {
      throw new DiecastError(
        "GRAMMAR_TOO_LARGE",
        `formats are nested more than ${maxDepth} levels deep (at ${pointer})`,
        {
          pointer,
          given: this.depth,
          limit: maxDepth,
          unit: "levels",
        },
      );
    }
    const node = this.formatOfType(reader, ends);
    this.depth--;
    return node;
  }

  private formatOfType(reader: FormatReader, ends: Ends): GrammarNode {
    const type = reader.text("type");
    switch (type) {
      case "const_string":
        reader.allow("value");
        return textNode(reader.text("value"));
      case "json_schema":
        return this.jsonSchema(reader);
      case "qwen_xml_parameter":
        // An older name.
        return this.jsonSchema(reader, "qwen_xml");
      case "grammar":
        return this.grammar(reader);
      case "regex":
        return this.regex(reader);
      case "any_text":
        return this.anyText(reader, ends);
      case "sequence":
        return sequenceOf(this.elements(reader, ends));
      case "or":
        return choiceOf(this.elements(reader, ends));
      case "optional":
        return repeatOf(this.content(reader, ends), 0, 1);
      case "plus":
        return repeatOf(this.content(reader, ends), 1, UNLIMITED);
      case "star":
        return repeatOf(this.content(reader, ends), 0, UNLIMITED);
      case "repeat":
        return this.repeat(reader, ends);
      case "tag":
        return this.wholeTag(this.tag(reader));
      case "triggered_tags":
        return this.triggeredTags(reader, ends);
      case "tags_with_separator":
        return this.separatedTags(reader);
      case "dispatch":
        return this.dispatch(reader, ends);
      case "token":
        reader.allow("token");
        return {
          kind: "tokens",
          set: this.tokenSet([tokenOf(reader.required("token"), reader.at("token"))], reader.at("token")),
        };
      case "exclude_token":
        reader.allow("exclude_tokens");
        return this.otherTokens(reader, ends);
      case "any_tokens":
        reader.allow("exclude_tokens", "max_tokens");
        return repeatOf(this.otherTokens(reader, ends), 0, reader.count("max_tokens", 0) ?? UNLIMITED);
      case "token_triggered_tags":
        return this.tokenTriggeredTags(reader, ends);
      case "token_dispatch":
        return this.tokenDispatch(reader, ends);
      default:
        return reader.fail(`unknown format type ${JSON.stringify(type)}`, "type");
    }
  }

  private elements(reader: FormatReader, ends: Ends): GrammarNode[] {
    reader.allow("elements");
    const elements = reader.list("elements");
    if (elements.length === 0) reader.fail("there must be at least one element", "elements");
    return elements.map((element, i) => this.format(element, `${reader.at("elements")}/${i}`, ends));
  }

  private content(reader: FormatReader, ends: Ends): GrammarNode {
    reader.allow("content", "min", "max");
    return this.format(reader.required("content"), reader.at("content"), ends);
  }

  private repeat(reader: FormatReader, ends: Ends): GrammarNode {
    const min = reader.count("min", 0) ?? reader.fail('field "min" is missing');
    const limit = reader.count("max", -1) ?? reader.fail('field "max" is missing');
    const max = limit === -1 ? UNLIMITED : limit;
    if (min > max) reader.fail(`min ${min} exceeds max ${max}`);
    return repeatOf(this.content(reader, ends), min, max);
  }

  private jsonSchema(reader: FormatReader, presetStyle?: string): GrammarNode {
    reader.allow("json_schema", ...(presetStyle === undefined ? ["style", "any_order"] : []));
    const schema = reader.required("json_schema");
    const style = presetStyle ?? (reader.optional("style") === undefined ? "json" : reader.text("style"));
    const anyOrder = reader.boolean("any_order", false);
    const { budget, builder, rules } = this.context;
    if (style !== "json" && !isXmlStyle(style)) reader.fail(`unknown style ${JSON.stringify(style)}`, "style");
    return atPointer(reader.at("json_schema"), () => {
      if (style === "json") {
        const propertyOrder = anyOrder ? "any" : this.context.schema.propertyOrder;
        const options: ResolvedOptions = { ...this.context.schema, propertyOrder };
        const { document, lowering } = schemaLowering(schema, options, budget, builder);
        return { kind: "program", rule: lowering.lower([document.literalOf(document.root)]) };
      }
      // Parameters of a function are what the schema declares, unless it says otherwise.
      const options: ResolvedOptions = { ...this.context.schema, openObjects: "closed" };
      const { document, lowering } = schemaLowering(schema, options, budget, builder);
      const node = xmlObject({ document, lowering, style, anyOrder, rules, maxWhitespace: options.maxWhitespace });
      lowering.writeDeclared();
      return node;
    });
  }

  private grammar(reader: FormatReader): GrammarNode {
    reader.allow("grammar");
    const { rules, tokens, ebnfLimits, budget } = this.context;
    const text = reader.text("grammar");
    return atPointer(reader.at("grammar"), () => ({
      kind: "ref",
      rule: parseEbnf(text, rules, { tokens, limits: ebnfLimits, clock: budget }),
    }));
  }

  private regex(reader: FormatReader): GrammarNode {
    reader.allow("pattern");
    const pointer = reader.at("pattern");
    const source = reader.text("pattern");
    try {
      return regexNode(source);
    } catch (error) {
      if (!DiecastError.is(error)) throw error;
      const detail = { ...error.detail, pointer };
      throw new DiecastError(error.code, `${error.message} (at ${pointer})`, detail, { cause: error });
    }
  }

  private anyText(reader: FormatReader, ends: Ends): GrammarNode {
    reader.allow("excludes", "max_tokens", "max_chars");
    const excludes = [...reader.texts("excludes"), ...ends.texts];
    const dfa = freeText([], excludes).free;
    const node: GrammarNode = { kind: "automaton", dfa };
    const maxChars = reader.count("max_chars", 0);
    const maxTokens = reader.count("max_tokens", 0);
    if (maxTokens !== undefined) {
      return this.limitedToTokens(maxChars === undefined ? dfa : limitedToChars(dfa, maxChars, reader), maxTokens);
    }
    if (maxChars === undefined) return node;
    const { rules } = this.context;
    rules.push({ name: "any_text", place: reader.pointer, body: node, options: { maxChars } });
    return { kind: "ref", rule: rules.length - 1 };
  }

  /** `free` accepts wherever a character ends. The register counts the tokens, so all other limits are the automaton's. */
  private limitedToTokens(free: Dfa, tokenLimit: number): GrammarNode {
    const texts = withoutEmpty(free);
    if (tokenLimit === 0 || isEmptyLanguage(texts)) return sequenceOf([]);
    const lexeme = new Lexeme("text of few tokens", textLexeme(texts).table, { tokenLimit });
    return choiceOf([{ kind: "program", rule: this.context.builder.addLexeme(lexeme) }, sequenceOf([])]);
  }

  private tag(reader: FormatReader): Tag {
    reader.allow("begin", "content", "end");
    const type = reader.optional("type");
    if (type !== undefined && textOf(type, reader.at("type")) !== "tag") reader.fail("expected a tag", "type");
    const { texts, tokens, node } = this.tagEnd(reader);
    const contentPointer = reader.at("content");
    const content = reader.required("content");
    const inner = new FormatReader(content, contentPointer);
    const upTo = texts.length > 0 ? this.textUpToEnd(inner, texts) : undefined;
    const rest =
      upTo ??
      sequenceOf([this.format(content, contentPointer, { texts: texts.filter((t) => t !== ""), tokens }), node]);
    return { pointer: reader.pointer, begin: this.tagBegin(reader), rest };
  }

  private tagBegin(reader: FormatReader): string | CharSet {
    const begin = reader.required("begin");
    if (begin.kind === "string") return begin.value;
    return this.tokenFormat(begin, reader.at("begin"));
  }

  private tagEnd(reader: FormatReader): { texts: string[]; tokens: CharSet; node: GrammarNode } {
    const end = reader.required("end");
    if (end.kind === "object") {
      const tokens = this.tokenFormat(end, reader.at("end"));
      return { texts: [], tokens, node: { kind: "tokens", set: tokens } };
    }
    const texts =
      end.kind === "array"
        ? end.items.map((item, i) => textOf(item, `${reader.at("end")}/${i}`))
        : [reader.text("end")];
    if (texts.length === 0) reader.fail("a tag needs an end", "end");
    return { texts, tokens: [], node: choiceOf(texts.map(textNode)) };
  }

  /** A `token` format as a set of ids. */
  private tokenFormat(value: JsonValue, pointer: string): CharSet {
    const reader = new FormatReader(value, pointer);
    if (reader.text("type") !== "token") reader.fail('expected a text or a "token" format', "type");
    reader.allow("token");
    return this.tokenSet([tokenOf(reader.required("token"), reader.at("token"))], reader.at("token"));
  }

  /**
   * "Any text up to the end": the end's first occurrence closes the tag, also where ends overlap themselves or each other. Undefined where free text and end
   * have to be told apart in another way.
   */
  private textUpToEnd(content: FormatReader, ends: readonly string[]): GrammarNode | undefined {
    if (content.text("type") !== "any_text" || ends.includes("")) return undefined;
    if (content.optional("max_chars") !== undefined || content.optional("max_tokens") !== undefined) return undefined;
    content.allow("excludes", "max_tokens", "max_chars");
    const excludes = content.texts("excludes").filter((text) => !ends.includes(text));
    // An excluded text that reaches into an end does not lie in the free text; only the plain composition sees that.
    if (excludes.some((text) => ends.some((end) => overlap(text, end)))) return undefined;
    this.numFormats++;
    return choiceOf(
      freeText(ends, excludes).endings.map(({ upTo }): GrammarNode => ({ kind: "automaton", dfa: upTo })),
    );
  }

  private wholeTag({ begin, rest }: Tag): GrammarNode {
    return sequenceOf([typeof begin === "string" ? textNode(begin) : { kind: "tokens", set: begin }, rest]);
  }

  private tags(reader: FormatReader): Tag[] {
    const values = reader.list("tags");
    if (values.length === 0) reader.fail("there must be at least one tag", "tags");
    return values.map((value, i) => this.tag(new FormatReader(value, `${reader.at("tags")}/${i}`)));
  }

  private triggeredTags(reader: FormatReader, ends: Ends): GrammarNode {
    reader.allow("triggers", "tags", "at_least_one", "stop_after_first", "excludes");
    const triggers = reader.texts("triggers");
    if (triggers.length === 0) reader.fail("there must be at least one trigger", "triggers");
    triggers.forEach((trigger, i) => {
      const other = triggers.findIndex((text, j) => j !== i && text.startsWith(trigger));
      if (other !== -1) {
        throw invalidTag(
          `${reader.at("triggers")}/${i}`,
          `ambiguous: trigger ${JSON.stringify(triggers[other])} begins with it`,
        );
      }
    });
    const tags = this.tags(reader);
    const contents: GrammarNode[][] = triggers.map(() => []);
    for (const { begin, rest, pointer } of tags) {
      if (typeof begin !== "string") throw invalidTag(`${pointer}/begin`, "the tag must begin with a text");
      const index = triggers.findIndex((trigger) => begin.startsWith(trigger));
      const trigger = triggers[index];
      if (trigger === undefined) throw invalidTag(`${pointer}/begin`, "no trigger begins this tag");
      contents[index]!.push(sequenceOf([textNode(begin.slice(trigger.length)), rest]));
    }
    const unused = contents.findIndex((list) => list.length === 0);
    if (unused !== -1) throw invalidTag(`${reader.at("triggers")}/${unused}`, "no tag begins with this trigger");
    const excludes = this.excludes(reader, triggers, ends);
    const stops = reader.boolean("stop_after_first", false);
    const branches = triggers.map((trigger, i) => ({ trigger, content: choiceOf(contents[i]!) }));
    if (!reader.boolean("at_least_one", false)) return { kind: "dispatch", branches, excludes, loop: !stops };
    const first = choiceOf(tags.map((tag) => this.wholeTag(tag)));
    return stops ? first : sequenceOf([first, { kind: "dispatch", branches, excludes, loop: true }]);
  }

  /** Excluded texts, with the ends around. A trigger that contains one could never be completed. */
  private excludes(reader: FormatReader, triggers: readonly string[], ends: Ends): string[] {
    const excludes = [...reader.texts("excludes"), ...ends.texts];
    for (const trigger of triggers) {
      const excluded = excludes.find((text) => trigger.includes(text));
      if (excluded === undefined) continue;
      reader.fail(
        `${JSON.stringify(trigger)} contains ${JSON.stringify(excluded)}, which is excluded or ends the tag around`,
      );
    }
    return excludes;
  }

  private separatedTags(reader: FormatReader): GrammarNode {
    reader.allow("tags", "separator", "at_least_one", "stop_after_first");
    const tag = choiceOf(this.tags(reader).map((each) => this.wholeTag(each)));
    const more = repeatOf(sequenceOf([textNode(reader.text("separator")), tag]), 0, UNLIMITED);
    const some = reader.boolean("stop_after_first", false) ? tag : sequenceOf([tag, more]);
    return reader.boolean("at_least_one", false) ? some : repeatOf(some, 0, 1);
  }

  private dispatch(reader: FormatReader, ends: Ends): GrammarNode {
    reader.allow("rules", "loop", "excludes");
    const branches = this.pairs(reader).map(({ key, content, pointer }) => {
      const trigger = textOf(key, `${pointer}/0`);
      if (trigger === "") throw invalidTag(`${pointer}/0`, "an empty text occurs everywhere");
      return { trigger, content };
    });
    const triggers = branches.map(({ trigger }) => trigger);
    return {
      kind: "dispatch",
      branches,
      excludes: this.excludes(reader, triggers, ends),
      loop: reader.boolean("loop", true),
    };
  }

  private pairs(reader: FormatReader): { key: JsonValue; content: GrammarNode; pointer: string }[] {
    const pairs = reader.list("rules");
    if (pairs.length === 0) reader.fail("there must be at least one rule", "rules");
    return pairs.map((pair, i) => {
      const pointer = `${reader.at("rules")}/${i}`;
      const [key, format] = pair.kind === "array" ? pair.items : [];
      if (key === undefined || format === undefined || (pair.kind === "array" && pair.items.length !== 2)) {
        throw invalidTag(pointer, "expected a pair of a trigger and a format");
      }
      return { key, content: this.format(format, `${pointer}/1`, NO_ENDS), pointer };
    });
  }

  private tokenTriggeredTags(reader: FormatReader, ends: Ends): GrammarNode {
    reader.allow("trigger_tokens", "tags", "exclude_tokens", "at_least_one", "stop_after_first");
    const triggers = this.tokenSet(reader.tokens("trigger_tokens"), reader.at("trigger_tokens"));
    const tags = this.tags(reader);
    let unused = triggers;
    const branches = tags.map(({ begin, rest, pointer }) => {
      if (typeof begin === "string") throw invalidTag(`${pointer}/begin`, "the tag must begin with a token");
      if (intersectSets(begin, triggers).length === 0)
        throw invalidTag(`${pointer}/begin`, "no trigger begins this tag");
      unused = subtractSet(unused, begin);
      return { set: begin, content: rest };
    });
    if (unused.length > 0) reader.fail(`no tag begins with token ${unused[0]}`, "trigger_tokens");
    const free = this.freeTokens(reader, triggers, ends);
    const stops = reader.boolean("stop_after_first", false);
    if (!reader.boolean("at_least_one", false)) return tokenDispatchNode(free, branches, !stops);
    const first = choiceOf(tags.map((tag) => this.wholeTag(tag)));
    return stops ? first : sequenceOf([first, tokenDispatchNode(free, branches, true)]);
  }

  private tokenDispatch(reader: FormatReader, ends: Ends): GrammarNode {
    reader.allow("rules", "loop", "exclude_tokens");
    const branches = this.pairs(reader).map(({ key, content, pointer }) => ({
      set: this.tokenSet([tokenOf(key, `${pointer}/0`)], `${pointer}/0`),
      content,
    }));
    const triggers = unionOf([[], ...branches.map(({ set }) => set)]);
    return tokenDispatchNode(this.freeTokens(reader, triggers, ends), branches, reader.boolean("loop", true));
  }

  private freeTokens(reader: FormatReader, triggers: CharSet, ends: Ends): CharSet {
    const excluded = unionOf([
      this.tokenSet(reader.tokens("exclude_tokens"), reader.at("exclude_tokens")),
      ends.tokens,
    ]);
    if (intersectSets(excluded, triggers).length > 0) reader.fail("a trigger is also excluded, or ends the tag around");
    return this.allBut(unionOf([excluded, triggers]), reader.pointer);
  }

  /** One token that is not excluded and does not end the tag around. */
  private otherTokens(reader: FormatReader, ends: Ends): GrammarNode {
    const excluded = this.tokenSet(reader.tokens("exclude_tokens"), reader.at("exclude_tokens"));
    return { kind: "tokens", set: this.allBut(unionOf([excluded, ends.tokens]), reader.pointer) };
  }

  private tokenSet(tokens: readonly (number | string)[], pointer: string): CharSet {
    return this.context.tokens.setOf(tokens, (message) => {
      throw invalidTag(pointer, message);
    });
  }

  private allBut(set: CharSet, pointer: string): CharSet {
    return this.context.tokens.allBut(set, (message) => {
      throw invalidTag(pointer, message);
    });
  }
}

/** Whether one text lies in the other, or an end of the first begins the second. */
function overlap(text: string, end: string): boolean {
  if (text.includes(end) || end.includes(text)) return true;
  for (let length = 1; length < text.length; length++) if (end.startsWith(text.slice(-length))) return true;
  return false;
}

/** Points errors that come from inside of a field's value to that field. */
function atPointer<Value>(pointer: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (!DiecastError.is(error) || error.code === "GRAMMAR_TOO_LARGE") throw error;
    const inner = error.detail.pointer;
    if (inner?.startsWith(pointer)) throw error;
    const detail = { ...error.detail, pointer: `${pointer}${inner ?? ""}` };
    throw new DiecastError(error.code, `${error.message} (in ${pointer})`, detail, { cause: error });
  }
}

function limitedToChars(free: Dfa, maxChars: number, reader: FormatReader): Dfa {
  const [given, limit] = [free.numStates * (maxChars + 2), MAX_LIMIT_STATES];
  if (given <= limit) return upToLimit(free, maxChars);
  const pointer = reader.at("max_chars");
  const message = `max_chars beside max_tokens takes ${given} states; the limit is ${limit} (at ${pointer})`;
  throw new DiecastError("GRAMMAR_TOO_LARGE", message, { pointer, given, limit, unit: "states" });
}
