// Grammar programs by hand, for tests.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "native/matcher/program_layout.h"

namespace diecast::test {

/// Assembles programs from readable parts.
struct Assembler {
  struct StateSpec {
    bool accepting = false;
    std::vector<std::array<uint32_t, 2>> bytes = {};  // lo | hi << 8 | flags << 16, local target
    std::vector<std::array<uint32_t, 3>> calls = {};
    std::vector<std::pair<std::string, uint32_t>> literals = {};
    uint32_t min = 0, max = 0;
    std::vector<std::array<uint32_t, 3>> tokens = {};  // lo, hi, local target
  };
  struct RuleSpec {
    uint32_t flags = 0, counter_min = 0, counter_max = layout::kInfinityWord;
    std::vector<StateSpec> states;  // the first is the start
    uint32_t slots = 0;
  };
  std::vector<RuleSpec> rules;

  std::vector<uint8_t> Encode(uint32_t root) const {
    using namespace layout;
    std::vector<uint32_t> rule_words, state_words, bytes, calls, literals, distances, tokens;
    std::string pool;
    uint32_t num_states = 0;
    for (const RuleSpec& r : rules) {
      const uint32_t first = num_states;
      rule_words.insert(rule_words.end(), {first, first, static_cast<uint32_t>(r.states.size()),
                                           r.flags, r.counter_min, r.counter_max,
                                           static_cast<uint32_t>(distances.size()), r.slots});
      for (const StateSpec& s : r.states) {
        state_words.insert(
            state_words.end(),
            {static_cast<uint32_t>(bytes.size() / 2), static_cast<uint32_t>(calls.size() / 3),
             static_cast<uint32_t>(literals.size() / 3),
             (s.accepting ? 1u : 0u) | (s.tokens.empty() ? 0u : kStateFlagTokenEdges)});
        for (const auto& e : s.tokens)
          tokens.insert(tokens.end(), {num_states, e[0], e[1], first + e[2]});
        for (const auto& e : s.bytes) bytes.insert(bytes.end(), {e[0], first + e[1]});
        for (const auto& e : s.calls) calls.insert(calls.end(), {e[0], first + e[1], e[2]});
        for (const auto& [text, target] : s.literals) {
          literals.insert(literals.end(), {static_cast<uint32_t>(pool.size()),
                                           static_cast<uint32_t>(text.size()), first + target});
          pool += text;
        }
        if (r.flags & kRuleFlagCounted) distances.insert(distances.end(), {s.min, s.max});
        ++num_states;
      }
    }
    state_words.insert(state_words.end(), {static_cast<uint32_t>(bytes.size() / 2),
                                           static_cast<uint32_t>(calls.size() / 3),
                                           static_cast<uint32_t>(literals.size() / 3), 0u});
    std::vector<uint32_t> words(kHeaderWords, 0);
    const auto section = [&](const std::vector<uint32_t>& data) {
      const auto offset = static_cast<uint32_t>(words.size());
      words.insert(words.end(), data.begin(), data.end());
      return offset;
    };
    words[kHeaderMagic] = kProgramMagic;
    words[kHeaderVersion] = kProgramVersion;
    words[kHeaderRootRule] = root;
    words[kHeaderNumRules] = static_cast<uint32_t>(rules.size());
    words[kHeaderRules] = section(rule_words);
    words[kHeaderNumStates] = num_states;
    words[kHeaderStates] = section(state_words);
    words[kHeaderNumByteEdges] = static_cast<uint32_t>(bytes.size() / 2);
    words[kHeaderByteEdges] = section(bytes);
    words[kHeaderNumCallEdges] = static_cast<uint32_t>(calls.size() / 3);
    words[kHeaderCallEdges] = section(calls);
    words[kHeaderNumLiteralEdges] = static_cast<uint32_t>(literals.size() / 3);
    words[kHeaderLiteralEdges] = section(literals);
    words[kHeaderNumDistanceWords] = static_cast<uint32_t>(distances.size());
    words[kHeaderDistances] = section(distances);
    words[kHeaderNumTokenEdges] = static_cast<uint32_t>(tokens.size() / 4);
    words[kHeaderTokenEdges] = section(tokens);
    words[kHeaderPoolBytes] = static_cast<uint32_t>(pool.size());
    words[kHeaderPool] = static_cast<uint32_t>(words.size());
    pool.resize((pool.size() + 3) / 4 * 4);
    words.resize(words.size() + pool.size() / 4);
    std::copy(pool.begin(), pool.end(), reinterpret_cast<char*>(words.data() + words[kHeaderPool]));
    words[kHeaderTotalWords] = static_cast<uint32_t>(words.size());
    const auto* raw = reinterpret_cast<const uint8_t*>(words.data());
    return {raw, raw + words.size() * 4};
  }
};

inline uint32_t Range(char lo, char hi, uint32_t flags = 0) {
  return static_cast<uint8_t>(lo) | static_cast<uint32_t>(static_cast<uint8_t>(hi)) << 8 |
         flags << 16;
}

}  // namespace diecast::test
