// A token that is computed before it is chosen.
#pragma once

#include <cstdint>

#include "native/matcher/matcher.h"

namespace diecast {

/// What made a guess, for learning how often it is right: a match of so many tokens in what was
/// read and said before (1 to kMaxMatch), or what the grammar's other requests did.
using GuessSource = int8_t;
inline constexpr GuessSource kMaxMatch = 8;
inline constexpr GuessSource kFromHabit = 0;

struct Guess {
  int32_t id = -1;  ///< -1: none
  GuessSource source = kFromHabit;
  float confidence = 0;  ///< [0, 1]
};

struct Draft {
  int32_t id;
  bool forced;  ///< by the grammar after the drafts before it; its token is not sampled
  GuessSource source;
  TokenMask mask;  ///< of the token after this one, where that is sampled under a grammar
};

}  // namespace diecast
