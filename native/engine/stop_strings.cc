#include "native/engine/stop_strings.h"

#include <algorithm>
#include <limits>

namespace diecast {
namespace {

static_assert(StopStrings::kMaxBytes <= std::numeric_limits<uint16_t>::max());

/// How many bytes of `string` the text ends with after one byte more. `num_matched`, the number
/// before it, is less than the string's.
size_t Advance(std::string_view string, const std::vector<uint16_t>& shorter, size_t num_matched,
               char byte) {
  while (num_matched > 0 && string[num_matched] != byte) num_matched = shorter[num_matched - 1];
  return string[num_matched] == byte ? num_matched + 1 : 0;
}

std::vector<uint16_t> ShorterBeginnings(std::string_view string) {
  std::vector<uint16_t> shorter(string.size(), 0);
  for (size_t i = 1; i < string.size(); i++)
    shorter[i] = static_cast<uint16_t>(Advance(string, shorter, shorter[i - 1], string[i]));
  return shorter;
}

}  // namespace

std::optional<StopStrings::Match> StopStrings::Push(std::string_view text) {
  if (progress_.empty()) {
    for (const std::string& string : strings_)
      progress_.push_back({.shorter = ShorterBeginnings(string)});
  }
  std::optional<Match> first;
  for (size_t i = 0; i < strings_.size(); i++) {
    const std::string& string = strings_[i];
    auto& [num_matched, shorter] = progress_[i];
    for (size_t at = 0; at < text.size(); at++) {
      num_matched = Advance(string, shorter, num_matched, text[at]);
      if (num_matched < string.size()) continue;
      const size_t begin = length_ + at + 1 - string.size();
      if (!first || begin < first->begin) first = {begin, i};
      break;
    }
  }
  length_ += text.size();
  return first;
}

size_t StopStrings::earliest_start() const {
  size_t most = 0;
  for (const Progress& progress : progress_) most = std::max(most, progress.num_matched);
  return length_ - most;
}

}  // namespace diecast
