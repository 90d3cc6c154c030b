// Merge table and the two merging algorithms.
#include "native/tokenizer/bpe_model.h"

#include <algorithm>
#include <bit>

namespace diecast {
namespace {

/// Up to this many bytes a quadratic scan over stack arrays beats the heap.
constexpr size_t kMaxShort = 48;
constexpr uint32_t kNoRank = ~uint32_t{0};

uint64_t PairKey(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

size_t HashPair(uint64_t pair) {
  const uint64_t mixed = pair * 0x9e3779b97f4a7c15u;
  return static_cast<size_t>(mixed ^ mixed >> 29);
}

}  // namespace

BpeModel::BpeModel(BytesIndex index, std::span<const BpeMerge> merges,
                   std::span<const std::string_view> tokens, bool ignore_merges)
    : index_(std::move(index)),
      merges_(std::bit_ceil(merges.size() + merges.size() / 2 + 8)),
      merge_mask_(merges_.size() - 1),
      is_whole_(tokens.size(), ignore_merges ? 1 : 0) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    byte_tokens_[static_cast<size_t>(byte)] = index_.Find({&c, 1});
  }
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    InsertMerge(merges[rank], static_cast<uint32_t>(rank));
  }
  if (ignore_merges) return;
  std::vector<int32_t> ids;
  for (size_t id = 0; id < tokens.size(); ++id) {
    // Only what Find can return needs the flag.
    if (tokens[id].empty() || index_.Find(tokens[id]) != static_cast<int32_t>(id)) continue;
    ids.clear();
    Encode(tokens[id], &ids);
    is_whole_[id] = ids.size() == 1 && ids[0] == static_cast<int32_t>(id) ? 1 : 0;
  }
}

void BpeModel::InsertMerge(const BpeMerge& merge, uint32_t rank) {
  const uint64_t pair = PairKey(merge.left, merge.right);
  size_t i = HashPair(pair) & merge_mask_;
  while (merges_[i].pair != kNoPair && merges_[i].pair != pair) i = (i + 1) & merge_mask_;
  merges_[i] = {pair, rank, merge.merged};  // a repeated pair takes its last rank
}

const BpeModel::Merge* BpeModel::FindMerge(int32_t left, int32_t right) const {
  const uint64_t pair = PairKey(left, right);
  for (size_t i = HashPair(pair) & merge_mask_; merges_[i].pair != kNoPair;
       i = (i + 1) & merge_mask_) {
    if (merges_[i].pair == pair) return &merges_[i];
  }
  return nullptr;
}

void BpeModel::Encode(std::string_view pretoken, std::vector<int32_t>* ids) const {
  if (pretoken.size() == 1) {
    const int32_t id = byte_tokens_[static_cast<uint8_t>(pretoken[0])];
    if (id >= 0) ids->push_back(id);
    return;
  }
  const int32_t whole = index_.Find(pretoken);
  if (whole >= 0 && is_whole_[static_cast<size_t>(whole)] != 0) {
    ids->push_back(whole);
  } else if (pretoken.size() <= kMaxShort) {
    MergeShort(pretoken, ids);
  } else {
    MergeLong(pretoken, ids);
  }
}

void BpeModel::MergeShort(std::string_view pretoken, std::vector<int32_t>* ids) const {
  int32_t symbols[kMaxShort];
  uint32_t ranks[kMaxShort];  // of the pair (i, i + 1)
  int32_t merged[kMaxShort];  // what that pair makes
  size_t size = 0;
  for (const char c : pretoken) {
    const int32_t id = byte_tokens_[static_cast<uint8_t>(c)];
    if (id >= 0) symbols[size++] = id;
  }
  const auto rate = [&](size_t i) {
    const Merge* merge = FindMerge(symbols[i], symbols[i + 1]);
    ranks[i] = merge == nullptr ? kNoRank : merge->rank;
    if (merge != nullptr) merged[i] = merge->merged;
  };
  for (size_t i = 0; i + 1 < size; ++i) rate(i);
  while (size > 1) {
    const size_t best = static_cast<size_t>(std::min_element(ranks, ranks + size - 1) - ranks);
    if (ranks[best] == kNoRank) break;
    symbols[best] = merged[best];
    --size;
    for (size_t i = best + 1; i < size; ++i) {
      symbols[i] = symbols[i + 1];
      ranks[i] = ranks[i + 1];
      merged[i] = merged[i + 1];
    }
    if (best + 1 < size) rate(best);
    if (best > 0) rate(best - 1);
  }
  ids->insert(ids->end(), symbols, symbols + size);
}

void BpeModel::MergeLong(std::string_view pretoken, std::vector<int32_t>* ids) const {
  constexpr uint32_t kEnd = ~uint32_t{0};
  struct Symbol {
    int32_t id;      // -1 once merged into its left neighbour
    int32_t merged;  // what the pair with the next symbol makes, -1 for nothing
    uint32_t previous;
    uint32_t next;
  };
  struct Candidate {
    uint64_t order;  // rank, then position: the heap's least comes first
    int32_t merged;
    bool operator<(const Candidate& other) const { return order > other.order; }
  };
  std::vector<Symbol> symbols;
  symbols.reserve(pretoken.size());
  for (const char c : pretoken) {
    const int32_t id = byte_tokens_[static_cast<uint8_t>(c)];
    const auto i = static_cast<uint32_t>(symbols.size());
    if (id >= 0) symbols.push_back({id, -1, i - 1, i + 1});  // the first one's `previous` is kEnd
  }
  if (symbols.empty()) return;
  symbols.back().next = kEnd;

  std::vector<Candidate> heap;
  heap.reserve(symbols.size());
  const auto rate = [&](uint32_t i) {
    Symbol& symbol = symbols[i];
    const Merge* merge =
        symbol.next == kEnd ? nullptr : FindMerge(symbol.id, symbols[symbol.next].id);
    symbol.merged = merge == nullptr ? -1 : merge->merged;
    if (merge != nullptr) heap.push_back({uint64_t{merge->rank} << 32 | i, merge->merged});
    return merge != nullptr;
  };
  for (uint32_t i = 0; i < symbols.size(); ++i) rate(i);
  std::make_heap(heap.begin(), heap.end());
  while (!heap.empty()) {
    const Candidate best = heap.front();
    std::pop_heap(heap.begin(), heap.end());
    heap.pop_back();
    const auto i = static_cast<uint32_t>(best.order);
    Symbol& symbol = symbols[i];
    // A stale candidate: a neighbour has changed since. A pair only ever grows, so equal results
    // mean the same pair.
    if (symbol.id < 0 || symbol.merged != best.merged) continue;
    Symbol& right = symbols[symbol.next];
    symbol.id = best.merged;
    symbol.next = right.next;
    right.id = -1;
    if (symbol.next != kEnd) symbols[symbol.next].previous = i;
    if (rate(i)) std::push_heap(heap.begin(), heap.end());
    if (symbol.previous != kEnd && rate(symbol.previous)) std::push_heap(heap.begin(), heap.end());
  }
  for (uint32_t i = 0; i != kEnd; i = symbols[i].next) ids->push_back(symbols[i].id);
}

}  // namespace diecast
