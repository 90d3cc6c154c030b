// Turns a request's output tokens into text: whole characters, stop strings and matches of stop
// patterns taken out, and which parts were forced.
//
// Text that could still become a stop string or a match is held back. Both are found wherever they
// fall: across tokens, inside a token, in forced text or over the seam of forced and sampled text.
// A match may be as long as the text, but at most kMaxHeldBytes are held for it: of a longer one,
// the rest has been emitted when the match ends the text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "native/engine/stop_search.h"
#include "native/engine/stop_strings.h"
#include "native/tokenizer/tokenizer.h"

namespace diecast {

/// A run of emitted text. Whole characters.
struct TextRun {
  std::string text;
  bool forced;
};

class OutputText {
 public:
  /// Throws Error{kInvalidArgument} when a pattern matches the empty text.
  OutputText(std::shared_ptr<const Tokenizer> tokenizer, std::vector<std::string> stops,
             const std::vector<std::shared_ptr<CompiledGrammar>>& stop_patterns = {});

  /// Appends what the token completes to `runs`. Returns true when a stop string or a match is now
  /// complete; nothing may be pushed then. Throws Error{kGrammarTooLarge}: see StopSearch.
  bool Push(int32_t id, bool forced, std::vector<TextRun>* runs);
  /// What was held back and what is left of an unfinished character. Returns true when that
  /// completes a stop string or a match.
  bool Flush(std::vector<TextRun>* runs);

  /// The stop string that was found; empty when none was.
  const std::string& matched_stop() const { return matched_; }
  /// The index of the stop pattern that was found, or -1. At most one of both is.
  int32_t matched_pattern() const { return matched_pattern_; }

  static constexpr size_t kMaxHeldBytes = 4096;

 private:
  bool Append(std::string_view text, bool forced, std::vector<TextRun>* runs);
  void Release(size_t bytes, std::vector<TextRun>* runs);
  size_t HoldFrom() const;
  /// A position in the text as one in held_: its start for what was emitted.
  size_t HeldAt(size_t position) const {
    return position > num_released_ ? position - num_released_ : 0;
  }

  struct Held {
    size_t bytes;
    bool forced;
  };

  StreamDecoder decoder_;
  StopStrings stops_;
  std::vector<StopSearch> searches_;
  std::unique_ptr<StopSearch::Shared> shared_;  // null until text comes and without searches
  std::string matched_;
  int32_t matched_pattern_ = -1;
  size_t num_released_ = 0;      // bytes emitted, which come before held_
  std::string held_;             // not yet emitted
  std::vector<Held> held_runs_;  // the runs of held_, adding up to its length
  bool last_forced_ = false;
};

}  // namespace diecast
