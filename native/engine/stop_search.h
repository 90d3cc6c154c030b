// Searches a growing text for a pattern: whether a match has ended, and where one may have begun
// that more text completes.
//
// The pattern is a grammar whose sentences are the matches. A match may begin at any byte, so the
// search follows one configuration for each beginning that is still alive. Beginnings in equal
// configurations have equal futures, and only the earliest of them is kept; so a byte costs a step
// for each different configuration, whatever the text's length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "native/matcher/compiled_grammar.h"

namespace diecast {

/// Thread: one at a time; many may search with one pattern.
class StopSearch {
 public:
  /// Throws Error{kInvalidArgument} when the pattern matches the empty text, which is everywhere.
  explicit StopSearch(std::shared_ptr<CompiledGrammar> pattern);

  /// Reads on. Returns where the match begins that ends first, the longest one of these, if one
  /// ends in `text`; nothing may be pushed then. Throws Error{kGrammarTooLarge} past kMaxPlaces.
  std::optional<size_t> Push(std::string_view text);
  /// Where the earliest match begins that more text may complete; the length read if none.
  size_t earliest_start() const { return starts_.empty() ? length_ : starts_.front().begin; }

  /// Items of all the configurations followed at once: bounds what a byte costs.
  static constexpr size_t kMaxPlaces = 512;

 private:
  struct Start {
    uint32_t config;
    size_t begin;
  };

  std::shared_ptr<CompiledGrammar> pattern_;
  std::shared_ptr<ConfigStore> store_;  // whose configurations starts_ has
  std::vector<Start> starts_;           // earliest first, each in another configuration
  size_t length_ = 0;
};

}  // namespace diecast
