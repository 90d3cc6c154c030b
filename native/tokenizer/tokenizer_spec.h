// What a tokenizer file says, as plain data: both readers (GGUF and tokenizer.json) fill one of
// these, and BuildTokenizer turns it into a Tokenizer. Ids are checked by the readers: every id
// in here indexes `tokens`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "native/tokenizer/added_tokens.h"
#include "native/tokenizer/bpe_model.h"
#include "native/tokenizer/normalizer.h"
#include "native/tokenizer/pretokenizer_steps.h"
#include "native/tokenizer/tokenizer.h"

namespace diecast {

struct TokenizerSpec {
  struct Token {
    std::string bytes;      ///< what it adds to a text; empty for an id that the file leaves out
    bool special = false;   ///< hidden by Decode, never matched by a grammar
    bool in_model = false;  ///< the model may make it
    bool is_byte = false;   ///< stands for a byte of a character that has no token
    std::string piece;      ///< its text in the model; empty where that is `bytes`
    std::string_view key() const { return piece.empty() ? bytes : piece; }
  };
  enum class Model : uint8_t { kByteBpe, kCharacterBpe, kUnigram };

  Model model = Model::kByteBpe;
  std::vector<Token> tokens;
  std::vector<AddedToken> added;
  std::vector<BpeMerge> merges;
  std::vector<double> scores;  ///< kUnigram: by id
  bool ignore_merges = false;
  int32_t unknown_id = -1;  ///< not for kByteBpe
  bool fuses_unknown = false;
  bool byte_fallback = false;
  std::vector<Normalizer::Step> normalizer;
  std::vector<PretokenizerStep> pretokenizer;
  /// Spells normalizer and pre-tokenizer out, for the fingerprint.
  std::string steps_text;
  int32_t bos_id = -1;
  bool adds_bos = false;
  std::vector<int32_t> eos_ids;
  std::string chat_template;

  /// Adds `id` to eos_ids unless it is there.
  void AddEos(int32_t id);
  /// Adds the special tokens whose names are known to end a turn or a text: a file names one eos
  /// token, chat models use several.
  void AddKnownEos();
};

/// Takes a vocabulary entry's text out of the byte-level alphabet. A text outside of the alphabet
/// stands for itself and cannot take part in merges.
TokenizerSpec::Token ByteLevelToken(std::string_view text);

/// A SentencePiece vocabulary's entry: its space marks stand for spaces, and <0xNN> for a byte when
/// `byte_fallback` is set.
TokenizerSpec::Token PieceToken(std::string_view text, bool byte_fallback);

/// The byte of <0xNN>.
std::optional<uint8_t> ByteOfPiece(std::string_view text);

/// Resolves merges, given as texts of the file, against the vocabulary. Owner: `spec` must outlive
/// it, with its tokens complete.
class MergeResolver {
 public:
  explicit MergeResolver(const TokenizerSpec& spec);
  /// nullopt when a side or the result is not in the vocabulary.
  std::optional<BpeMerge> Resolve(std::string_view left, std::string_view right);
  /// The two sides of "left right"; nullopt unless there is exactly one space, with text on both
  /// sides.
  static std::optional<std::pair<std::string_view, std::string_view>> SplitSides(
      std::string_view merge);

  /// All merges that SentencePiece would make, which joins any two pieces that are one together,
  /// best score first. Requires: spec.scores.
  std::vector<BpeMerge> ByScore() const;

 private:
  const TokenizerSpec& spec_;
  BytesIndex index_;
  std::string joined_;
};

std::shared_ptr<const Tokenizer> BuildTokenizer(TokenizerSpec spec);

}  // namespace diecast
