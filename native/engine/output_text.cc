#include "native/engine/output_text.h"

#include <algorithm>
#include <utility>

namespace diecast {

OutputText::OutputText(std::shared_ptr<const Tokenizer> tokenizer, std::vector<std::string> stops,
                       const std::vector<std::shared_ptr<CompiledGrammar>>& stop_patterns)
    : decoder_(std::move(tokenizer)), stops_(std::move(stops)) {
  searches_.reserve(stop_patterns.size());
  for (const auto& pattern : stop_patterns) searches_.emplace_back(pattern);
}

bool OutputText::Push(int32_t id, bool forced, std::vector<TextRun>* runs) {
  last_forced_ = forced;
  return Append(decoder_.Push(id), forced, runs);
}

bool OutputText::Flush(std::vector<TextRun>* runs) {
  if (!matched_.empty() || matched_pattern_ >= 0) return true;
  if (Append(decoder_.Flush(), last_forced_, runs)) return true;
  Release(held_.size(), runs);
  return false;
}

bool OutputText::Append(std::string_view text, bool forced, std::vector<TextRun>* runs) {
  if (text.empty()) return false;
  held_ += text;
  if (!held_runs_.empty() && held_runs_.back().forced == forced) {
    held_runs_.back().bytes += text.size();
  } else {
    held_runs_.push_back({text.size(), forced});
  }
  size_t first = std::string::npos;
  if (const auto match = stops_.Push(text)) {
    first = HeldAt(match->begin);
    matched_ = stops_[match->string];
  }
  if (!searches_.empty()) {
    if (shared_ == nullptr) shared_ = std::make_unique<StopSearch::Shared>();
    shared_->Begin(text.size());
  }
  for (size_t i = 0; i < searches_.size(); i++) {
    const std::optional<size_t> begin = searches_[i].Push(text, shared_.get());
    if (!begin || HeldAt(*begin) >= first) continue;
    first = HeldAt(*begin);
    matched_.clear();
    matched_pattern_ = static_cast<int32_t>(i);
  }
  if (first != std::string::npos) {
    Release(first, runs);
    held_.clear();
    held_runs_.clear();
    return true;
  }
  Release(HoldFrom(), runs);
  return false;
}

// Where the longest suffix of held_ that begins a stop string or a match starts. Both are UTF-8, so
// that is a character's start.
size_t OutputText::HoldFrom() const {
  size_t from = HeldAt(stops_.earliest_start());
  for (const StopSearch& search : searches_) from = std::min(from, HeldAt(search.earliest_start()));
  if (held_.size() - from <= kMaxHeldBytes) return from;
  from = held_.size() - kMaxHeldBytes;
  const auto continues = [&](size_t at) {
    return (static_cast<uint8_t>(held_[at]) & 0xc0) == 0x80;
  };
  while (from < held_.size() && continues(from)) from++;
  return from;
}

void OutputText::Release(size_t bytes, std::vector<TextRun>* runs) {
  size_t done = 0;
  size_t used = 0;
  while (done < bytes) {
    Held& run = held_runs_[used];
    const size_t take = std::min(run.bytes, bytes - done);
    if (!runs->empty() && runs->back().forced == run.forced) {
      runs->back().text.append(held_, done, take);
    } else {
      runs->push_back({held_.substr(done, take), run.forced});
    }
    done += take;
    run.bytes -= take;
    if (run.bytes == 0) used++;
  }
  num_released_ += bytes;
  held_.erase(0, bytes);
  held_runs_.erase(held_runs_.begin(), held_runs_.begin() + static_cast<std::ptrdiff_t>(used));
}

}  // namespace diecast
