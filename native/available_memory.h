// How much memory the process could still use.
#pragma once

#include <cstdint>

namespace diecast {

/// Bytes: what the system has available, or what the container's limit leaves where that is less.
/// 0: unknown.
int64_t AvailableMemory();

}  // namespace diecast
