// The Llama family's hyperparameters, read from GGUF metadata and checked.
#pragma once

#include <vector>

#include "native/models/model.h"

namespace diecast {

/// Throws Error{kModelInvalid | kModelUnsupported} naming the key.
ModelConfig ReadLlamaConfig(const GgufFile& file);

/// Rotation per position of each pair of dimensions, with the file's scaling applied. Shape:
/// [rope_dim / 2].
std::vector<float> ReadRopeFrequencies(const GgufFile& file, const ModelConfig& config);

}  // namespace diecast
