/**
 * Chat messages to prompt text by the model's own Jinja template.
 *
 * Text inside a message must never become a control token: a user who writes `<|im_end|>` would otherwise end their own turn. So
 * the texts of special tokens inside messages are replaced by placeholders before rendering, and the prompt comes back in parts: the
 * template's own text, to be encoded with special tokens parsed, and quoted text, to be encoded without.
 */

import { Template } from "@huggingface/jinja";

import { DiecastError } from "../errors.ts";

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  /** Whatever else the template may know, e.g. `name`. */
  readonly [field: string]: unknown;
}

export interface ChatTemplateOptions {
  /** Ends the prompt with the opening of the assistant's turn. Default true. */
  readonly addGenerationPrompt?: boolean;
}

export interface PromptPart {
  readonly text: string;
  /** Special tokens in `text` are meant. */
  readonly parseSpecial: boolean;
}

export interface ChatTemplateTokens {
  readonly bosText: string;
  readonly eosText: string;
  /** Texts of all special tokens. */
  readonly specialTexts: readonly string[];
}

const escapeRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

export class ChatTemplate {
  readonly #template: Template;
  readonly #tokens: ChatTemplateTokens;
  readonly #special: RegExp | undefined;

  /** @throws {DiecastError} MODEL_UNSUPPORTED when the source is empty or not Jinja. */
  constructor(source: string, tokens: ChatTemplateTokens) {
    if (source === "") throw new DiecastError("MODEL_UNSUPPORTED", "the model has no chat template");
    try {
      this.#template = new Template(source);
    } catch (cause) {
      throw new DiecastError("MODEL_UNSUPPORTED", "the model's chat template is not valid Jinja", {}, { cause });
    }
    this.#tokens = tokens;
    // Longest first, so that a token whose text begins another's does not hide it.
    const texts = tokens.specialTexts.filter((t) => t !== "").sort((a, b) => b.length - a.length);
    if (texts.length > 0) this.#special = new RegExp(texts.map(escapeRegExp).join("|"), "g");
  }

  /** The prompt as one text. For generation prefer `renderParts`, which keeps quoted special tokens apart. */
  render(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): string {
    try {
      return this.#template.render({
        messages,
        add_generation_prompt: options.addGenerationPrompt ?? true,
        bos_token: this.#tokens.bosText,
        eos_token: this.#tokens.eosText,
      });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new DiecastError(
        "REQUEST_INVALID",
        `the model's chat template refuses these messages: ${why}`,
        {},
        { cause },
      );
    }
  }

  renderParts(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): PromptPart[] {
    const special = this.#special;
    if (special === undefined || !messages.some((m) => m.content.search(special) >= 0)) {
      return [{ text: this.render(messages, options), parseSpecial: true }];
    }
    let nonce = 0;
    while (messages.some((m) => m.content.includes(`\uE000${nonce}:`))) nonce++;
    const quoted: string[] = [];
    const quote = (text: string): string => `\uE000${nonce}:${quoted.push(text) - 1}\uE001`;
    const text = this.render(
      messages.map((m) => ({ ...m, content: m.content.replace(special, quote) })),
      options,
    );
    return text
      .split(new RegExp(`\uE000${nonce}:(\\d+)\uE001`))
      .map((part, i) =>
        i % 2 === 0 ? { text: part, parseSpecial: true } : { text: quoted[Number(part)] ?? "", parseSpecial: false },
      )
      .filter((part) => part.text !== "");
  }
}
