// One step's ragged batch: which pending tokens of which sequences run together.
#pragma once

#include <cstdint>
#include <vector>

namespace diecast {

class Sequence;

struct PlannedRow {
  Sequence* sequence;
  int32_t num_tokens;  ///< the first pending tokens of the sequence; their KV slots are already at
                       ///< the end of its `slots`
  bool samples;  ///< these are all of the pending tokens, so the last one's logits give the next
                 ///< token
};

struct StepPlan {
  std::vector<PlannedRow> rows;
  int32_t num_tokens = 0;
  int32_t num_samples = 0;
  int32_t num_drafts = 0;  ///< computed besides num_tokens, see Sequence::drafts
};

}  // namespace diecast
