#include "native/engine/output_text.h"

#include <algorithm>
#include <utility>

namespace diecast {

OutputText::OutputText(std::shared_ptr<const Tokenizer> tokenizer, std::vector<std::string> stops)
    : decoder_(std::move(tokenizer)), stops_(std::move(stops)) {}

bool OutputText::Push(int32_t id, bool forced, std::vector<TextRun>* runs) {
  last_forced_ = forced;
  return Append(decoder_.Push(id), forced, runs);
}

bool OutputText::Flush(std::vector<TextRun>* runs) {
  if (!matched_.empty()) return true;
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
  for (const std::string& stop : stops_) {
    const size_t at = held_.find(stop);
    if (at < first) {
      first = at;
      matched_ = stop;
    }
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

// Where the longest suffix of held_ that begins a stop string starts. Stop strings are UTF-8, so
// that is a character's start.
size_t OutputText::HoldFrom() const {
  size_t from = held_.size();
  for (const std::string& stop : stops_) {
    size_t length = std::min(stop.size() - 1, held_.size());
    for (; length > 0; length--) {
      if (held_.compare(held_.size() - length, length, stop, 0, length) == 0) break;
    }
    from = std::min(from, held_.size() - length);
  }
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
  held_.erase(0, bytes);
  held_runs_.erase(held_runs_.begin(), held_runs_.begin() + static_cast<std::ptrdiff_t>(used));
}

}  // namespace diecast
