// The pre-tokenizer of a tokenizer.json: steps that cut a text into pieces, each step cutting the
// pieces of the step before.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "native/tokenizer/pretokenizer.h"
#include "native/tokenizer/split_pattern.h"

namespace diecast {

/// What becomes of the matches of a split.
enum class SplitBehavior : uint8_t {
  kRemoved,             ///< dropped
  kIsolated,            ///< a piece each
  kMergedWithPrevious,  ///< the end of the piece before
  kMergedWithNext,      ///< the beginning of the piece after
  kContiguous,          ///< those that touch are one piece
};

struct PretokenizerStep {
  enum Kind : uint8_t {
    kScanner,      ///< one of the scanners by hand
    kPattern,      ///< split by `pattern`
    kText,         ///< split by `text`
    kMetaspace,    ///< spaces become `text`, which may be put before the piece; split before each
    kPrefixSpace,  ///< a space before each piece that has none
  };
  enum Prepend : uint8_t { kNever, kFirst, kAlways };
  Kind kind = kScanner;
  PretokenizerKind scanner = PretokenizerKind::kGpt2;
  std::shared_ptr<const SplitPattern> pattern;
  std::string text;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;       ///< what does not match counts as the match
  Prepend prepend = kNever;  ///< kMetaspace
  bool splits = true;        ///< kMetaspace
};

/// The steps that GGUF's `tokenizer.ggml.pre` names; nullopt for an unknown name.
std::optional<std::vector<PretokenizerStep>> PretokenizerFromGgufName(std::string_view name);

/// Immutable and thread-safe.
class PretokenizerSteps {
 public:
  explicit PretokenizerSteps(std::vector<PretokenizerStep> steps = {});

  /// Spaces become the mark of a Metaspace step.
  bool marks_spaces() const { return marks_spaces_; }

  /// Where a text stands, and what may happen to it.
  enum class Place : uint8_t {
    kStart,   ///< the beginning of a document
    kLater,   ///< after a special token of the document
    kMiddle,  ///< after text: nothing is prepended, nothing is dropped
  };

  /// The pieces of `text` in order, each handed to `take` as a view that lives until it returns.
  template <typename Take>
  void ForEach(std::string_view text, Place place, Take&& take) const {
    if (text.empty()) return;
    if (steps_.empty()) {
      take(text);
      return;
    }
    if (steps_.size() == 1 && steps_[0].kind == PretokenizerStep::kScanner) {
      PretokenScanner scanner(steps_[0].scanner, text);
      std::string_view pretoken;
      while (scanner.Next(&pretoken)) take(pretoken);
      return;
    }
    Pieces pieces(text, place);
    for (const PretokenizerStep& step : steps_) pieces.Apply(step);
    for (const std::string_view piece : pieces.list) take(piece);
  }

 private:
  struct Pieces {
    Pieces(std::string_view text, Place at) : place(at), list{text} {}
    void Apply(const PretokenizerStep& step);
    void Split(std::string_view piece, const PretokenizerStep& step);
    void Metaspace(std::string_view piece, bool is_first, const PretokenizerStep& step);
    /// A view of a text that lives as long as this.
    std::string_view Keep(std::string text);

    Place place;
    std::vector<std::string_view> list;
    std::vector<std::string_view> next;
    std::vector<std::unique_ptr<std::string>> texts;
  };

  std::vector<PretokenizerStep> steps_;
  bool marks_spaces_ = false;
};

}  // namespace diecast
