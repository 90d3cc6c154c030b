/**
 * The prompt of an extraction: what the model is told besides the document.
 *
 * It is short on purpose. The grammar already enforces the shape, so the prompt need not describe it, and small models copy from
 * long instructions and examples instead of from the document.
 */
import type { ChatMessage } from "./chat-template.ts";

const DEFAULT_INSTRUCTION = "Extract the facts of this text as a JSON object.";

/** Messages that ask for the values of `input`. */
export function extractionMessages(input: string, instruction: string = DEFAULT_INSTRUCTION): ChatMessage[] {
  return [{ role: "user", content: `${instruction}\n\n${input}` }];
}
