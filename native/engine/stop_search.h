// Searches a growing text for a pattern: whether a match has ended, and where one may have begun
// that more text completes.
//
// The pattern is a grammar whose sentences are the matches. A match may begin at any byte, so the
// search follows one configuration for each beginning that is still alive. Beginnings in equal
// configurations have equal futures, and only the earliest of them is kept; so a byte costs a step
// for each different configuration, whatever the text's length. Patterns and texts are anybody's,
// so what all patterns of a request may follow at once is limited.
#pragma once

#include <array>
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
  /// Items of all the configurations that a request's searches follow at once: bounds what a byte
  /// costs.
  static constexpr size_t kMaxPlaces = 512;

  /// What a request's searches share while they read a text.
  class Shared {
   public:
    /// The next text to be read by all of them, of so many bytes.
    void Begin(size_t num_bytes) { num_places_.assign(num_bytes, 0); }

   private:
    friend class StopSearch;
    // The configurations that a search has kept after a byte. An entry of an earlier round is a
    // free slot, so nothing is cleared between bytes.
    static constexpr int kSlotBits = 10;
    static_assert(1 << kSlotBits >= 2 * kMaxPlaces);
    bool Add(uint32_t config);

    std::vector<size_t> num_places_;                   // followed after each byte
    std::array<uint64_t, 1 << kSlotBits> slots_ = {};  // round << 32 | configuration
    uint64_t round_ = 0;
  };

  /// Throws Error{kInvalidArgument} when the pattern matches the empty text, which is everywhere.
  explicit StopSearch(std::shared_ptr<CompiledGrammar> pattern);

  /// Reads on. Returns where the match begins that ends first, the longest one of these, if one
  /// ends in `text`; nothing may be pushed then. Throws Error{kGrammarTooLarge} when the searches
  /// that have read a byte follow more than kMaxPlaces after it. `shared` has begun the text.
  std::optional<size_t> Push(std::string_view text, Shared* shared);
  /// Where the earliest match begins that more text may complete; the length read if none.
  size_t earliest_start() const { return starts_.empty() ? length_ : starts_.front().begin; }

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
