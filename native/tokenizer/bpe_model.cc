// Merge table and the two merging algorithms.
#include "native/tokenizer/bpe_model.h"

#include <algorithm>
#include <bit>

#include "native/tokenizer/normalizer.h"
#include "native/tokenizer/utf8.h"

namespace diecast {
namespace {

/// Up to this many bytes a quadratic scan over stack arrays beats the heap.
constexpr size_t kMaxShort = 48;
constexpr uint32_t kNoRank = ~uint32_t{0};
/// More characters than this before a space mark, and text is not cut there.
constexpr size_t kMaxGlue = 64;

uint64_t PairKey(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

size_t HashPair(uint64_t pair) {
  const uint64_t mixed = pair * 0x9e3779b97f4a7c15u;
  return static_cast<size_t>(mixed ^ mixed >> 29);
}

}  // namespace

BpeModel::BpeModel(BytesIndex index, std::span<const BpeMerge> merges,
                   std::span<const std::string_view> keys, BpeOptions options)
    : index_(std::move(index)),
      options_(options),
      merges_(std::bit_ceil(merges.size() + merges.size() / 2 + 8)),
      merge_mask_(merges_.size() - 1),
      whole_(keys.size()) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    byte_tokens_[static_cast<size_t>(byte)] = index_.Find({&c, 1});
  }
  for (const BpeMerge& merge : merges) InsertMerge(merge);
  if (options_.by_character) FindGlue(merges, keys);
}

void BpeModel::InsertMerge(const BpeMerge& merge) {
  const uint64_t pair = PairKey(merge.left, merge.right);
  size_t i = HashPair(pair) & merge_mask_;
  while (merges_[i].pair != kNoPair && merges_[i].pair != pair) i = (i + 1) & merge_mask_;
  merges_[i] = {pair, merge.rank, merge.merged};  // a repeated pair takes its last rank
}

void BpeModel::FindGlue(std::span<const BpeMerge> merges, std::span<const std::string_view> keys) {
  if (index_.Find(kSpaceMark) < 0) return;
  std::vector<uint8_t> is_apart(keys.size());  // tokens that do not stand for their key's text
  for (const int32_t id : options_.fallback) {
    if (id >= 0) is_apart[static_cast<size_t>(id)] = 1;
  }
  if (options_.unknown_id >= 0) is_apart[static_cast<size_t>(options_.unknown_id)] = 1;
  for (const BpeMerge& merge : merges) {
    const auto left = static_cast<size_t>(merge.left);
    if (!keys[static_cast<size_t>(merge.right)].starts_with(kSpaceMark)) continue;
    if (is_apart[left] != 0) return;
    size_t start = keys[left].size() - 1;
    while (start > 0 && (static_cast<uint8_t>(keys[left][start]) & 0xc0) == 0x80) --start;
    const uint32_t last = DecodeUtf8(keys[left], start).code_point;
    if (std::find(glue_.begin(), glue_.end(), last) != glue_.end()) continue;
    if (glue_.size() == kMaxGlue) return;
    glue_.push_back(last);
  }
  cuts_at_marks_ = true;
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
  if (!options_.by_character && pretoken.size() == 1) {
    const int32_t id = byte_tokens_[static_cast<uint8_t>(pretoken[0])];
    if (id >= 0) ids->push_back(id);
    return;
  }
  if (!cuts_at_marks_) return EncodeSegment(pretoken, ids);
  if (options_.ignore_merges) {
    if (const int32_t whole = index_.Find(pretoken); whole >= 0) return ids->push_back(whole);
  }
  while (!pretoken.empty()) {
    const size_t end = SegmentEnd(pretoken);
    EncodeSegment(pretoken.substr(0, end), ids);
    pretoken.remove_prefix(end);
  }
}

size_t BpeModel::SegmentEnd(std::string_view text) const {
  for (size_t at = text.find(kSpaceMark, 1); at != std::string_view::npos;
       at = text.find(kSpaceMark, at + kSpaceMark.size())) {
    size_t start = at - 1;
    while (start > 0 && (static_cast<uint8_t>(text[start]) & 0xc0) == 0x80) --start;
    const uint32_t before = DecodeUtf8(text, start).code_point;
    if (std::find(glue_.begin(), glue_.end(), before) == glue_.end()) return at;
  }
  return text.size();
}

void BpeModel::EncodeSegment(std::string_view segment, std::vector<int32_t>* ids) const {
  const int32_t whole = index_.Find(segment);
  std::atomic<uint8_t>* is_whole = nullptr;
  if (whole >= 0) {
    is_whole = &whole_[static_cast<size_t>(whole)];
    if (options_.ignore_merges || is_whole->load(std::memory_order_relaxed) == kYes) {
      return ids->push_back(whole);
    }
  }
  const size_t before = ids->size();
  // A symbol has at least a byte, and a character at most four.
  if (segment.size() <= kMaxShort && !options_.by_character) {
    int32_t symbols[kMaxShort];
    size_t size = 0;
    for (const char c : segment) {
      const int32_t id = byte_tokens_[static_cast<uint8_t>(c)];
      if (id >= 0) symbols[size++] = id;
    }
    MergeShort({symbols, size}, ids);
  } else {
    std::vector<int32_t> symbols;
    Symbols(segment, &symbols);
    symbols.size() <= kMaxShort ? MergeShort(symbols, ids) : MergeLong(symbols, ids);
  }
  if (is_whole != nullptr) {
    const bool yes = ids->size() == before + 1 && ids->back() == whole;
    is_whole->store(yes ? kYes : kNo, std::memory_order_relaxed);
  }
}

void BpeModel::Symbols(std::string_view segment, std::vector<int32_t>* symbols) const {
  symbols->reserve(segment.size());
  if (!options_.by_character) {
    for (const char c : segment) {
      const int32_t id = byte_tokens_[static_cast<uint8_t>(c)];
      if (id >= 0) symbols->push_back(id);
    }
    return;
  }
  bool unknown = false;  // an unknown token is due, before the next character that has a token
  for (size_t pos = 0; pos < segment.size();) {
    const Utf8Char decoded = DecodeUtf8(segment, pos);
    const size_t length = decoded.kind == Utf8Char::kValid ? decoded.length : 1;
    const std::string_view c = segment.substr(pos, length);
    pos += length;
    if (const int32_t id = index_.Find(c); id >= 0) {
      if (unknown) symbols->push_back(options_.unknown_id);
      unknown = false;
      symbols->push_back(id);
      continue;
    }
    const bool falls_back = std::all_of(c.begin(), c.end(), [&](char byte) {
      return options_.fallback[static_cast<uint8_t>(byte)] >= 0;
    });
    if (falls_back) {
      for (const char byte : c) symbols->push_back(options_.fallback[static_cast<uint8_t>(byte)]);
    } else if (options_.unknown_id >= 0) {
      if (unknown && !options_.fuses_unknown) symbols->push_back(options_.unknown_id);
      unknown = true;
    }
  }
  if (unknown) symbols->push_back(options_.unknown_id);
}

void BpeModel::MergeShort(std::span<const int32_t> initial, std::vector<int32_t>* ids) const {
  int32_t symbols[kMaxShort];
  uint32_t ranks[kMaxShort];  // of the pair (i, i + 1)
  int32_t merged[kMaxShort];  // what that pair makes
  size_t size = initial.size();
  std::copy(initial.begin(), initial.end(), symbols);
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

void BpeModel::MergeLong(std::span<const int32_t> initial, std::vector<int32_t>* ids) const {
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
  symbols.reserve(initial.size());
  for (const int32_t id : initial) {
    const auto i = static_cast<uint32_t>(symbols.size());
    symbols.push_back({id, -1, i - 1, i + 1});  // the first one's `previous` is kEnd
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
