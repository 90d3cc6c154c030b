// Splits text into pre-tokens, the pieces that byte pair merges never cross. Each known pattern is
// a hand-written scanner: one pass, no backtracking, no allocation. Bytes that are not UTF-8 count
// as characters that are neither letter, number nor space.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace diecast {

enum class PretokenizerKind : uint8_t {
  kGpt2,    ///< contractions, ` ?\p{L}+`, ` ?\p{N}+`, ` ?` and other characters, space runs
  kSmollm,  ///< every number character alone, then kGpt2 on what lies between
  kLlama3,  ///< any one character before letters, numbers in groups of up to 3, newlines kept with
            ///< what precedes them
  kQwen2,   ///< as kLlama3 with single number characters
};

/// The kind whose pattern is exactly `regex`, as tokenizer.json spells it; nullopt for an unknown
/// one.
std::optional<PretokenizerKind> PretokenizerFromRegex(std::string_view regex);

/// Walks over a text. Every byte belongs to exactly one pre-token, in order.
class PretokenScanner {
 public:
  /// Owner: the caller keeps `text` alive.
  PretokenScanner(PretokenizerKind kind, std::string_view text) : kind_(kind), text_(text) {}
  /// False at the end.
  bool Next(std::string_view* pretoken);

 private:
  size_t ScanSmollm();

  PretokenizerKind kind_;
  std::string_view text_;
  size_t position_ = 0;
  size_t piece_end_ = 0;  ///< kSmollm: end of the digit-free piece being split
};

}  // namespace diecast
