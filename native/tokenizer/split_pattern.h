// The regular expressions by which tokenizer.json splits text, with the meaning that the regex
// engine behind the `tokenizers` package (Oniguruma, its own syntax) gives them: leftmost match,
// alternatives in order, backtracking. A pattern becomes a small program; runs of one class, of
// which the published patterns consist, are one instruction. What is not read exactly is refused:
// captures that are referred to, lookbehind, empty matches.
//
// The published patterns of GPT-2, Llama 3 and Qwen 2 have scanners by hand (pretokenizer.h), which
// are faster still.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "native/tokenizer/code_point_set.h"

namespace diecast {

/// Immutable and thread-safe after Compile.
class SplitPattern {
 public:
  /// Throws Error{kModelUnsupported} with the pattern, the place and the reason.
  static std::shared_ptr<const SplitPattern> Compile(std::string_view regex);

  /// Walks over the matches of one text.
  class Matches {
   public:
    /// Owner: pattern and text outlive it.
    Matches(const SplitPattern& pattern, std::string_view text);
    /// False when there is none any more. Throws Error{kInvalidArgument} when the pattern takes
    /// more than kStepsPerByte steps per byte of text (nested repeats that backtrack).
    bool Next(size_t* begin, size_t* end);

   private:
    struct Saved {
      uint32_t pc;
      size_t pos;    ///< where to go on
      size_t least;  ///< of a run: the shortest it may become, else equal to pos
    };
    static constexpr size_t kNoMatch = ~size_t{0};
    static constexpr uint64_t kStepsPerByte = 2000;

    /// End of the match of the program from `pc` at `pos`.
    size_t Run(uint32_t pc, size_t pos);
    void Spend();

    const SplitPattern& pattern_;
    std::string_view text_;
    size_t position_ = 0;
    uint64_t budget_;
    std::vector<Saved> stack_;
  };

 private:
  friend class SplitPatternParser;
  enum class Op : uint8_t {
    kSet,        ///< one character of sets_[a]
    kRun,        ///< b to c characters of sets_[a], as many as possible first
    kRunAll,     ///< as kRun, without giving back
    kSplit,      ///< a first, then b
    kJump,       ///< to a
    kLookahead,  ///< the program after this one must match up to its kAccept; goes on at a
    kNotAhead,   ///< ... must not match
    kAtomic,     ///< ... its first match is kept; goes on at a
    kTextStart,
    kTextEnd,
    kLineStart,
    kLineEnd,
    kAccept,
  };
  struct Instruction {
    Op op;
    uint32_t a = 0, b = 0, c = 0;
  };
  std::vector<Instruction> program_;
  std::vector<CodePointSet> sets_;
};

}  // namespace diecast
