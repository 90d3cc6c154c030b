#include "native/engine/stop_search.h"

#include <mutex>
#include <string>
#include <utility>

#include "native/error.h"
#include "native/matcher/configuration_import.h"

namespace diecast {
// False when it is there already. At most kMaxPlaces are added in a round.
bool StopSearch::Shared::Add(uint32_t config) {
  const uint64_t entry = round_ << 32 | config;
  size_t i = config * 0x9e3779b1u >> (32 - kSlotBits);  // Fibonacci hashing
  for (; slots_[i] >> 32 == round_; i = (i + 1) % slots_.size()) {
    if (slots_[i] == entry) return false;
  }
  slots_[i] = entry;
  return true;
}

StopSearch::StopSearch(std::shared_ptr<CompiledGrammar> pattern) : pattern_(std::move(pattern)) {
  const std::lock_guard lock(pattern_->mutex());
  store_ = pattern_->store();
  if (store_->Complete(store_->start())) {
    throw Error(ErrorCode::kInvalidArgument, "stop patterns must not match the empty text");
  }
}

std::optional<size_t> StopSearch::Push(std::string_view text, Shared* shared) {
  const std::lock_guard lock(pattern_->mutex());
  pattern_->EvictIfOverBudget();
  if (store_ != pattern_->store()) {
    ConfigImport import(*store_, pattern_->store().get());
    for (Start& start : starts_) start.config = import.Of(start.config);
    store_ = pattern_->store();
  }
  for (size_t at = 0; at < text.size(); at++) {
    const auto byte = static_cast<uint8_t>(text[at]);
    size_t& num_places = shared->num_places_[at];
    shared->round_++;
    starts_.push_back({store_->start(), length_++});
    size_t kept = 0;
    for (const Start& start : starts_) {
      const Start next{store_->Step(start.config, byte), start.begin};
      if (next.config == ConfigStore::kDead) continue;
      if (store_->Complete(next.config)) return next.begin;
      if (!shared->Add(next.config)) continue;
      starts_[kept++] = next;
      num_places += store_->items(next.config).size();
      if (num_places > kMaxPlaces) {
        throw Error(ErrorCode::kGrammarTooLarge,
                    "matches of stop patterns are under way in more than " +
                        std::to_string(kMaxPlaces) + " ways at once");
      }
    }
    starts_.resize(kept);
  }
  return std::nullopt;
}

}  // namespace diecast
