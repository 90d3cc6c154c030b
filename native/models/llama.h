// Llama 1-3, SmolLM and others of the same architecture: RMS norms, rotary embedding over
// interleaved pairs, grouped attention heads, a SiLU-gated feed-forward network.
#pragma once

#include <memory>

#include "native/models/model.h"

namespace diecast {

std::unique_ptr<CausalModel> LoadLlama(std::shared_ptr<const GgufFile> file, ThreadPool& pool,
                                       const ModelOptions& options);

}  // namespace diecast
