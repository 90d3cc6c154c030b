// The binary layout of a grammar program. src/fsm/program-layout.ts explains it and states the same
// numbers; a test compares the two files name by name.
#pragma once

#include <cstdint>

namespace diecast::layout {

inline constexpr uint32_t kProgramMagic = 0x50474344;
inline constexpr uint32_t kProgramVersion = 1;
inline constexpr uint32_t kInfinityWord = 0xffffffff;

inline constexpr uint32_t kHeaderWords = 20;
enum Header : uint32_t {
  kHeaderMagic = 0,
  kHeaderVersion = 1,
  kHeaderTotalWords = 2,
  kHeaderRootRule = 3,
  kHeaderNumRules = 4,
  kHeaderRules = 5,
  kHeaderNumStates = 6,
  kHeaderStates = 7,
  kHeaderNumByteEdges = 8,
  kHeaderByteEdges = 9,
  kHeaderNumCallEdges = 10,
  kHeaderCallEdges = 11,
  kHeaderNumLiteralEdges = 12,
  kHeaderLiteralEdges = 13,
  kHeaderNumDistanceWords = 14,
  kHeaderDistances = 15,
  kHeaderPoolBytes = 16,
  kHeaderPool = 17,
  kHeaderNumTokenEdges = 18,
  kHeaderTokenEdges = 19,
};

inline constexpr uint32_t kRuleWords = 8;
enum Rule : uint32_t {
  kRuleStartState = 0,
  kRuleFirstState = 1,
  kRuleNumStates = 2,
  kRuleFlags = 3,
  kRuleCounterMin = 4,
  kRuleCounterMax = 5,
  kRuleDistances = 6,
  kRuleSlots = 7,
};
enum RuleFlag : uint32_t {
  kRuleFlagLexeme = 1,
  kRuleFlagShared = 2,
  kRuleFlagCounted = 4,
  kRuleFlagRegisters = 8,
  kRuleFlagOpen = 16,
  kRuleFlagUncaptured = 32,
  kRuleFlagTokenLimited = 64,
};

inline constexpr uint32_t kStateWords = 4;
enum State : uint32_t {
  kStateByteEdges = 0,
  kStateCallEdges = 1,
  kStateLiteralEdges = 2,
  kStateFlags = 3,
};
enum StateFlag : uint32_t { kStateFlagAccepting = 1, kStateFlagTokenEdges = 2 };

inline constexpr uint32_t kByteEdgeWords = 2;
enum ByteEdge : uint32_t { kByteEdgeRange = 0, kByteEdgeTarget = 1 };

inline constexpr uint32_t kCallEdgeWords = 3;
enum CallEdge : uint32_t { kCallEdgeRule = 0, kCallEdgeTarget = 1, kCallEdgeFlags = 2 };
enum EdgeFlag : uint32_t { kEdgeFlagInc = 1, kEdgeFlagMark = 2, kEdgeFlagUnique = 4 };
inline constexpr uint32_t kEdgeSlotShift = 8;

inline constexpr uint32_t kLiteralEdgeWords = 3;
enum LiteralEdge : uint32_t {
  kLiteralEdgeOffset = 0,
  kLiteralEdgeLength = 1,
  kLiteralEdgeTarget = 2
};

inline constexpr uint32_t kTokenEdgeWords = 4;
enum TokenEdge : uint32_t {
  kTokenEdgeState = 0,
  kTokenEdgeLo = 1,
  kTokenEdgeHi = 2,
  kTokenEdgeTarget = 3
};

}  // namespace diecast::layout
