// Turns a request's output tokens into text: whole characters, stop strings taken out, and which
// parts were forced.
//
// Text that could still become a stop string is held back. A stop string is found wherever it
// falls: across tokens, inside a token, in forced text or over the seam of forced and sampled text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "native/tokenizer/tokenizer.h"

namespace diecast {

/// A run of emitted text. Whole characters.
struct TextRun {
  std::string text;
  bool forced;
};

class OutputText {
 public:
  OutputText(std::shared_ptr<const Tokenizer> tokenizer, std::vector<std::string> stops);

  /// Appends what the token completes to `runs`. Returns true when a stop string is now complete;
  /// nothing may be pushed then.
  bool Push(int32_t id, bool forced, std::vector<TextRun>* runs);
  /// What was held back and what is left of an unfinished character. Returns true when that
  /// completes a stop string.
  bool Flush(std::vector<TextRun>* runs);

  /// The stop string that was found; empty when none was.
  const std::string& matched_stop() const { return matched_; }

 private:
  bool Append(std::string_view text, bool forced, std::vector<TextRun>* runs);
  void Release(size_t bytes, std::vector<TextRun>* runs);
  size_t HoldFrom() const;

  struct Held {
    size_t bytes;
    bool forced;
  };

  StreamDecoder decoder_;
  std::vector<std::string> stops_;
  std::string matched_;
  std::string held_;             // not yet emitted
  std::vector<Held> held_runs_;  // the runs of held_, adding up to its length
  bool last_forced_ = false;
};

}  // namespace diecast
