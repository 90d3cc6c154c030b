#include "native/engine/stop_search.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "native/error.h"

namespace diecast {

StopSearch::StopSearch(std::shared_ptr<CompiledGrammar> pattern) : pattern_(std::move(pattern)) {
  const std::lock_guard lock(pattern_->mutex());
  store_ = pattern_->store();
  if (store_->Complete(store_->start())) {
    throw Error(ErrorCode::kInvalidArgument, "stop patterns must not match the empty text");
  }
}

std::optional<size_t> StopSearch::Push(std::string_view text) {
  const std::lock_guard lock(pattern_->mutex());
  pattern_->EvictIfOverBudget();
  if (store_ != pattern_->store()) {
    for (Start& start : starts_) start.config = pattern_->store()->Import(*store_, start.config);
    store_ = pattern_->store();
  }
  for (const char byte : text) {
    starts_.push_back({store_->start(), length_++});
    size_t kept = 0, num_places = 0;
    for (size_t i = 0; i < starts_.size(); i++) {
      const Start next{store_->Step(starts_[i].config, static_cast<uint8_t>(byte)),
                       starts_[i].begin};
      if (next.config == ConfigStore::kDead) continue;
      if (store_->Complete(next.config)) return next.begin;
      const auto end = starts_.begin() + static_cast<std::ptrdiff_t>(kept);
      const bool known = std::any_of(starts_.begin(), end, [&](const Start& earlier) {
        return earlier.config == next.config;
      });
      if (known) continue;
      starts_[kept++] = next;
      num_places += store_->items(next.config).size();
      if (num_places > kMaxPlaces) {
        throw Error(ErrorCode::kGrammarTooLarge,
                    "a match of a stop pattern is under way in more than " +
                        std::to_string(kMaxPlaces) + " ways at once");
      }
    }
    starts_.resize(kept);
  }
  return std::nullopt;
}

}  // namespace diecast
