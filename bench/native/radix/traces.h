// Loads for the prefix cache: what requests ask, what they get, and when they come. Texts are
// random token ids; what matters is who shares which prefix with whom and how long after.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace diecast::radix {

struct TraceRequest {
  std::vector<int32_t> prompt;
  std::vector<int32_t> output;
  int32_t after = -1;   ///< the request that must have ended before this one comes; -1: none
  double delay_ms = 0;  ///< from that request's end, or from the trace's start
};

struct Trace {
  std::string name;
  std::vector<TraceRequest> requests;
};

/// few-shot, chat, tree-of-thought, extraction, agents; `scale` multiplies the number of tasks,
/// users or documents.
std::vector<Trace> MakeTraces(uint64_t seed, double scale);

}  // namespace diecast::radix
