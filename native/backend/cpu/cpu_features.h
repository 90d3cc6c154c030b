// Which instruction sets this processor and operating system offer, and which one to use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace diecast {

/// Levels of the kernels. kAvx2 means AVX2 with FMA and F16C; kAvx512 means AVX-512 F, BW, DQ, VL
/// and VNNI; kAmx these, AVX-512 BF16 and AMX's tiles
/// of bfloat16.
enum class CpuLevel : uint8_t { kPortable, kAvx2, kAvx512, kAmx };
inline constexpr CpuLevel kCpuLevels[] = {CpuLevel::kPortable, CpuLevel::kAvx2, CpuLevel::kAvx512,
                                          CpuLevel::kAmx};

/// "portable", "avx2", "avx512" or "amx".
const char* CpuLevelName(CpuLevel level);
/// Whether the processor has the level and the operating system saves its registers, which it is
/// asked to do for tiles.
bool CpuHas(CpuLevel level);
/// Every level this processor has, the plainest first.
std::vector<CpuLevel> AvailableCpuLevels();
/// The best level, or the one that DIECAST_CPU names. Throws Error{kInvalidArgument} for an unknown
/// name or a level that the processor lacks. Reads the environment at each call.
CpuLevel ChooseCpuLevel();
/// The processor's own name, e.g. "AMD EPYC 9B14"; "unknown processor" where it can't be told.
std::string CpuName();
/// Physical cores that this process may run on: its affinity mask, capped by a container's CPU
/// quota. At least 1.
int AvailableCores();

}  // namespace diecast
