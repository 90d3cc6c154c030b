// The most prompt tokens that any policy of eviction could have found cached, for requests served
// in a given order: Belady's rule on the tree.
//
// A policy only decides what goes when room is needed, so the order of the events and what running
// requests hold is given. Every token of the tree is a page of one slot, wanted again when the next
// request through it starts. Whatever goes through a token goes through those above it, so the one
// wanted last is always at the end of a leaf, and evicting it first is optimal as in any paging
// with pages of one size. Where requests compute in parts side by side, a little more can be had by
// losing a match whose tokens would only be held until their request goes on; optimum_test.cc,
// which tries everything on tiny loads, finds less than a thousandth there, and nothing where each
// request computes all of its text as it starts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace diecast::radix {

/// What happened to a request, in order.
struct Event {
  enum Kind : uint8_t {
    kArrive,  ///< came, and waits
    kStart,   ///< matched: at most `count` of its tokens could come from the cache
    kGrow,    ///< computed, so that `count` of its tokens have slots
    kStop,    ///< ended or retracted: holds nothing any more
  };
  Kind kind;
  int32_t request;
  int32_t count;
  bool counts = true;  ///< of a start: whether its match counts as found
};

struct Optimum {
  int64_t found = 0;  ///< prompt tokens, with `capacity` slots
  /// As `found`, by one that knows what is never wanted again and what waiting requests want, but
  /// of all else only when it was used last.
  int64_t found_unforeseen = 0;
  int64_t found_unlimited = 0;  ///< with slots for everything
  int64_t distinct = 0;         ///< tokens of the whole tree
};

/// `texts`: each request's prompt and output. Throws std::logic_error when the events need more
/// than `capacity`.
Optimum FindOptimum(const std::vector<std::vector<int32_t>>& texts, std::span<const Event> events,
                    int64_t capacity);

/// Tokens in the tree of all texts.
int64_t CountDistinct(const std::vector<std::vector<int32_t>>& texts);

}  // namespace diecast::radix
