#include "native/matcher/safe_characters.h"

#include <algorithm>
#include <bit>

#include "native/matcher/token_classes.h"

namespace diecast {
namespace {

/// States among which safe characters may lead.
constexpr size_t kMaxStates = 1024;
/// Where states differ with every character (the length is limited, say), it is enough to know
/// about texts as long as nearly all tokens.
constexpr uint32_t kMaxDepth = 32;
/// No characters are given up for states that it takes this many characters to get to: most tokens
/// are shorter.
constexpr uint32_t kNoLossDepth = 9;
/// Units of work that a state is.
constexpr int kTicksPerState = 8;

}  // namespace

bool SafeCharacters::MayLeadTo(uint32_t next, uint32_t first) const {
  if (next == LexemeAutomaton::kDead) return false;
  const uint32_t state = next & ~LexemeAutomaton::kInc;
  if (automaton_.Accepting(state)) return false;  // a token may leave after every character
  if (!automaton_.counted()) return true;
  // Every character counts, and how much room is left at the text's end does not depend on where.
  const Program::Distance here = automaton_.DistanceOf(state);
  const Program::Distance there = automaton_.DistanceOf(first);
  return (next & LexemeAutomaton::kInc) != 0 && here.min == there.min && here.max == there.max;
}

SafeCharacters::Safe SafeCharacters::Find(uint32_t state, bool beyond_ascii, Pace& pace) {
  Safe safe;
  if (automaton_.Accepting(state)) return safe;
  safe = {{~0ull, ~0ull}, beyond_ascii, kUnlimited};
  std::vector<uint32_t> closure;
  std::vector<bool> is_reached;
  uint32_t depth = 0;
  // Of the tokens how many contain a character, roughly.
  const auto weight = [&](const TokenTrie::Ascii& bytes) {
    uint32_t sum = 0;
    for (size_t w = 0; w < bytes.size(); ++w) {
      for (uint64_t bits = bytes[w]; bits != 0; bits &= bits - 1)
        sum += classes_.num_containing(
            static_cast<uint8_t>(w * 64 + static_cast<size_t>(std::countr_zero(bits))));
    }
    return sum;
  };
  // Adds the state that a character leads to, unless that takes more away than doing without the
  // character, of this weight: after a backslash, say, few may come.
  const auto reach = [&](uint32_t next, uint32_t gained) {
    next &= ~LexemeAutomaton::kInc;
    if (next < is_reached.size() && is_reached[next]) return true;
    if (closure.size() == kMaxStates) return false;
    for (int i = 0; i < kTicksPerState; ++i) pace.Tick();
    const LexemeAutomaton::Row& row = automaton_.RowOf(next);
    TokenTrie::Ascii left{};
    for (uint32_t b = 0; b < 128;) {
      const uint32_t cell = row[b];
      const bool may = MayLeadTo(cell, state);
      for (; b < 128 && row[b] == cell; ++b) left[b >> 6] |= uint64_t{may} << (b & 63);
    }
    const TokenTrie::Ascii lost{safe.bytes[0] & ~left[0], safe.bytes[1] & ~left[1]};
    if ((lost[0] | lost[1]) != 0 && !closure.empty()) {
      if (depth + 1 >= kNoLossDepth) {
        safe.depth = depth + 1;
        return true;
      }
      if (weight(lost) > gained) return false;
    }
    safe.bytes[0] &= left[0];
    safe.bytes[1] &= left[1];
    closure.push_back(next);
    if (is_reached.size() <= next) is_reached.resize(next + 1);
    is_reached[next] = true;
    return true;
  };
  reach(state, 0);
  std::vector<uint32_t> checked;  // states whose characters of several bytes were looked at
  size_t depth_end = 1;  // closure's states up to here are reached by `depth` characters or fewer
  for (size_t i = 0; i < closure.size(); ++i) {
    if (i == depth_end) {
      depth_end = closure.size();
      if (++depth == kMaxDepth) safe.depth = depth;
    }
    if (safe.depth == depth) break;
    const LexemeAutomaton::Row& row = automaton_.RowOf(closure[i]);
    uint32_t reached = LexemeAutomaton::kDead;
    for (uint32_t b = 0; b < 128; ++b) {
      uint64_t& word = safe.bytes[b >> 6];
      const uint64_t bit = 1ull << (b & 63);
      if ((word & bit) == 0 || row[b] == reached) continue;
      if (reach(row[b], classes_.num_containing(static_cast<uint8_t>(b)))) {
        reached = row[b];
      } else {
        word &= ~bit;
      }
    }
    // Mostly all states agree about characters beyond ASCII.
    const auto agrees = [&](uint32_t other) {
      return std::equal(row.begin() + 0xc2, row.end(), automaton_.RowOf(other).begin() + 0xc2);
    };
    if (!safe.beyond_ascii || std::any_of(checked.begin(), checked.end(), agrees)) continue;
    checked.push_back(closure[i]);
    const std::vector<uint32_t> after = AfterCharacters(closure[i]);
    const bool are_safe =
        !after.empty() && std::all_of(after.begin(), after.end(), [&](uint32_t s) {
          return MayLeadTo(s, state) && reach(s, classes_.num_beyond_ascii());
        });
    if (are_safe) continue;
    if (depth >= kNoLossDepth) {
      safe.depth = depth;
      break;
    }
    safe.beyond_ascii = false;
  }
  return safe;
}

std::vector<uint32_t> SafeCharacters::AfterCharacters(uint32_t state) {
  const auto add = [](std::vector<uint32_t>* cells, uint32_t cell) {
    if (std::find(cells->begin(), cells->end(), cell) == cells->end()) cells->push_back(cell);
  };
  std::vector<uint32_t> after;
  for (const Utf8Form& form : kUtf8Forms) {
    // The cells after the bytes so far, with kInc kept once counted.
    std::vector<uint32_t> layer;
    const LexemeAutomaton::Row& first = automaton_.RowOf(state);
    for (uint32_t b = form.lead_lo; b <= form.lead_hi; ++b) add(&layer, first[b]);
    for (int k = 1; k < form.length; ++k) {
      const uint32_t lo = k == 1 ? form.second_lo : 0x80;
      const uint32_t hi = k == 1 ? form.second_hi : 0xbf;
      std::vector<uint32_t> next_layer;
      for (const uint32_t cell : layer) {
        if (cell == LexemeAutomaton::kDead) return {};
        const uint32_t at = cell & ~LexemeAutomaton::kInc;
        if (automaton_.Accepting(at)) return {};
        const LexemeAutomaton::Row& row = automaton_.RowOf(at);
        for (uint32_t b = lo; b <= hi; ++b) {
          if (b > lo && row[b] == row[b - 1]) continue;
          if (row[b] == LexemeAutomaton::kDead || (row[b] & cell & LexemeAutomaton::kInc) != 0)
            return {};
          add(&next_layer, row[b] | (cell & LexemeAutomaton::kInc));
        }
      }
      layer = std::move(next_layer);
    }
    for (const uint32_t cell : layer) add(&after, cell);
  }
  return after;
}

}  // namespace diecast
