// Tokenizers (byte-level BPE, SentencePiece BPE and unigram), built from GGUF metadata or a Hugging
// Face tokenizer.json.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace diecast {

class GgufFile;

/// Immutable and thread-safe after construction; shared by every request.
class Tokenizer {
 public:
  /// Throws Error{kModelInvalid | kModelUnsupported}.
  static std::shared_ptr<const Tokenizer> FromGguf(const GgufFile& file);
  static std::shared_ptr<const Tokenizer> FromJson(std::string_view tokenizer_json);
  virtual ~Tokenizer() = default;

  /// Number of ids, in [0, vocab_size).
  virtual int32_t vocab_size() const = 0;
  /// The bytes that the token adds to a text that it continues: the byte-level alphabet undone,
  /// space marks as spaces, <0xNN> as the byte. Several tokens may have the same. For special
  /// tokens: their literal text.
  virtual std::string_view TokenBytes(int32_t id) const = 0;
  /// A control token (e.g. <|im_end|>): never produced from plain text when parse_special is false,
  /// hidden by Decode, and never matched by its text in a grammar.
  virtual bool IsSpecial(int32_t id) const = 0;
  /// -1 when no token has exactly this text (added and special tokens included).
  virtual int32_t TokenId(std::string_view bytes) const = 0;

  /// Text that continues another one, to ids: cut as the tokenizer cuts in the middle of a text,
  /// and the ids' bytes are exactly the text, wherever the vocabulary can spell it. So there is no
  /// space before the first word that is not in the text, and nothing is normalized. With
  /// `parse_special`, the texts of special tokens become their ids (as chat templates need);
  /// without, only non-special added tokens are recognised. Never adds BOS. Input may be any bytes.
  /// Cost: near-linear in the text.
  virtual std::vector<int32_t> Encode(std::string_view text, bool parse_special) const = 0;
  /// A text of its own (or, with `continues`, a further part of one), to ids, exactly as the
  /// `tokenizers` package does it: normalized, and with the space that many vocabularies want
  /// before the first word. Otherwise as Encode, which it is where nothing is normalized.
  virtual std::vector<int32_t> EncodeDocument(std::string_view text, bool parse_special,
                                              [[maybe_unused]] bool continues = false) const {
    return Encode(text, parse_special);
  }
  /// Ids to bytes; ids out of range throw Error{kInvalidArgument}.
  virtual std::string Decode(std::span<const int32_t> ids, bool skip_special) const = 0;

  virtual int32_t bos_id() const = 0;  ///< -1 when none
  virtual bool adds_bos() const = 0;   ///< the model expects BOS before raw (not chat) text
  /// All ids that end a generation (eos, eot), without duplicates.
  virtual std::span<const int32_t> eos_ids() const = 0;
  /// Jinja chat template, empty when the file has none.
  virtual std::string_view chat_template() const = 0;
  /// Hash of vocabulary, merges and flags: equal fingerprints mean equal behaviour.
  virtual uint64_t fingerprint() const = 0;
};

/// Turns a stream of ids into text that never ends inside a UTF-8 character.
class StreamDecoder {
 public:
  explicit StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special = true);
  /// Text completed by this token; may be empty while a character is unfinished.
  std::string Push(int32_t id);
  /// What is left at the end; an unfinished character becomes U+FFFD.
  std::string Flush();

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool skip_special_;
  std::string pending_;
};

}  // namespace diecast
