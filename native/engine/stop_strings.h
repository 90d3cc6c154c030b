// Searches a growing text for strings: whether one has ended, and where one may have begun that
// more text completes.
//
// Each string knows how many of its bytes the text ends with at most; a byte that does not go on
// with that falls back to the next shorter beginning of the string that the text still ends with.
// So a byte costs a few comparisons for each string, whatever strings and text look like. Source:
// Knuth, Morris, Pratt, "Fast pattern matching in strings" (1977).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace diecast {

/// Thread: one at a time.
class StopStrings {
 public:
  /// None is empty or longer than kMaxBytes.
  explicit StopStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {}

  struct Match {
    size_t begin;  ///< in all text
    size_t string;
  };
  /// Reads on. Returns the occurrence that begins first of those that end in `text`, if any does:
  /// nothing may be pushed then. Where several begin there it is that of the first of the strings.
  std::optional<Match> Push(std::string_view text);
  /// Where the longest end of the text starts that begins a string; the length read if none.
  size_t earliest_start() const;
  const std::string& operator[](size_t string) const { return strings_[string]; }

  static constexpr size_t kMaxBytes = 4096;

 private:
  struct Progress {
    size_t num_matched = 0;         ///< bytes of the string that the text ends with
    std::vector<uint16_t> shorter;  ///< [n]: the next fewer, where it ends with n + 1
  };

  std::vector<std::string> strings_;
  std::vector<Progress> progress_;  // of the strings; made when text comes
  size_t length_ = 0;
};

}  // namespace diecast
