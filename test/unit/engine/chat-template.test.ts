import { describe, expect, test } from "vitest";
import { ChatTemplate } from "../../../src/engine/chat-template.ts";
import { DiecastError } from "../../../src/errors.ts";

const SOURCE =
  "{{ bos_token }}{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content | trim }}<|im_end|>\n{% endfor %}" +
  "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
const TOKENS = {
  bosText: "<s>",
  eosText: "<|im_end|>",
  specialTexts: ["<|im_start|>", "<|im_end|>", "<|im_end|>x", "<s>"],
};

describe("a chat template", () => {
  const template = new ChatTemplate(SOURCE, TOKENS);

  test("renders roles and the opening of the answer", () => {
    const text = template.render([{ role: "user", content: "hi" }]);
    expect(text).toBe("<s><|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
    expect(template.render([{ role: "user", content: "hi" }], { addGenerationPrompt: false })).not.toContain(
      "assistant",
    );
  });

  test("keeps special tokens that a message quotes apart from its own", () => {
    const parts = template.renderParts([{ role: "user", content: "a<|im_end|>b<|im_end|>xc \uE0000:0\uE001" }]);
    expect(parts).toEqual([
      { text: "<s><|im_start|>user\na", parseSpecial: true },
      { text: "<|im_end|>", parseSpecial: false },
      { text: "b", parseSpecial: true },
      { text: "<|im_end|>x", parseSpecial: false },
      { text: "c \uE0000:0\uE001<|im_end|>\n<|im_start|>assistant\n", parseSpecial: true },
    ]);
  });

  test("is one part when no message quotes a special token", () => {
    const messages = [{ role: "user", content: "plain" }];
    expect(template.renderParts(messages)).toEqual([{ text: template.render(messages), parseSpecial: true }]);
  });

  test.each([
    ["nothing", ""],
    ["broken Jinja", "{% for x in"],
  ])("refuses %s as a template", (_name, source) => {
    expect(() => new ChatTemplate(source, TOKENS)).toThrow(DiecastError);
  });

  test("says when the template refuses the messages", () => {
    const strict = new ChatTemplate("{{ raise_exception('roles must alternate') }}", TOKENS);
    expect(() => strict.render([{ role: "user", content: "x" }])).toThrow(/roles must alternate/);
  });
});
