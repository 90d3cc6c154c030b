// Instruction sets by CPUID and XGETBV on x86-64; elsewhere only the portable level exists.
#include "native/backend/cpu/cpu_features.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "native/error.h"

#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace diecast {
namespace {

#if defined(__x86_64__)
constexpr uint64_t kXcr0Avx = 0x06;     // SSE and AVX state
constexpr uint64_t kXcr0Avx512 = 0xe6;  // and opmask, upper halves, registers 16..31
constexpr uint64_t kXcr0Amx = 0x60000;  // configuration and data of tiles

uint64_t ReadXcr0() {
  uint32_t low = 0;
  uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

/// Linux saves a process's tiles only once it has asked for them (arch_prctl(2)).
bool AskForTiles() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

CpuLevel DetectLevel() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return CpuLevel::kPortable;
  const bool osxsave = (c >> 27) & 1;
  const bool avx = (c >> 28) & 1;
  const bool fma = (c >> 12) & 1;
  const bool f16c = (c >> 29) & 1;
  if (!osxsave || !avx) return CpuLevel::kPortable;
  const uint64_t xcr0 = ReadXcr0();
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return CpuLevel::kPortable;
  const bool avx2 = (b >> 5) & 1;
  const bool bmi2 = (b >> 8) & 1;
  if (!(avx2 && bmi2 && fma && f16c) || (xcr0 & kXcr0Avx) != kXcr0Avx) return CpuLevel::kPortable;
  const bool f = (b >> 16) & 1;
  const bool dq = (b >> 17) & 1;
  const bool bw = (b >> 30) & 1;
  const bool vl = (b >> 31) & 1;
  const bool vnni = (c >> 11) & 1;
  if (!(f && dq && bw && vl && vnni) || (xcr0 & kXcr0Avx512) != kXcr0Avx512) return CpuLevel::kAvx2;
  const bool amx_bf16 = (d >> 22) & 1;
  const bool amx_tile = (d >> 24) & 1;
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d)) return CpuLevel::kAvx512;
  const bool avx512_bf16 = (a >> 5) & 1;
  if (!(amx_tile && amx_bf16 && avx512_bf16) || (xcr0 & kXcr0Amx) != kXcr0Amx || !AskForTiles())
    return CpuLevel::kAvx512;
  return CpuLevel::kAmx;
}
#else
CpuLevel DetectLevel() { return CpuLevel::kPortable; }
#endif

CpuLevel BestLevel() {
  static const CpuLevel level = DetectLevel();
  return level;
}

std::string ReadLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// Cores' worth of CPU time that the control group grants; 0 when unlimited or unknown.
double CgroupCores() {
  const std::string v2 = ReadLine("/sys/fs/cgroup/cpu.max");
  if (!v2.empty()) {
    char* end = nullptr;
    const double quota = std::strtod(v2.c_str(), &end);
    if (end == v2.c_str()) return 0;  // "max"
    const double period = std::strtod(end, nullptr);
    return period > 0 ? quota / period : 0;
  }
  const double quota = std::atof(ReadLine("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").c_str());
  const double period = std::atof(ReadLine("/sys/fs/cgroup/cpu/cpu.cfs_period_us").c_str());
  return quota > 0 && period > 0 ? quota / period : 0;
}

}  // namespace

const char* CpuLevelName(CpuLevel level) {
  switch (level) {
    case CpuLevel::kPortable:
      return "portable";
    case CpuLevel::kAvx2:
      return "avx2";
    case CpuLevel::kAvx512:
      return "avx512";
    case CpuLevel::kAmx:
      return "amx";
  }
  return "unknown";
}

bool CpuHas(CpuLevel level) { return level <= BestLevel(); }

std::vector<CpuLevel> AvailableCpuLevels() {
  std::vector<CpuLevel> levels;
  for (CpuLevel level : kCpuLevels) {
    if (CpuHas(level)) levels.push_back(level);
  }
  return levels;
}

CpuLevel ChooseCpuLevel() {
  const char* wanted = std::getenv("DIECAST_CPU");
  if (wanted == nullptr || *wanted == '\0') return BestLevel();
  for (CpuLevel level : kCpuLevels) {
    if (std::string(wanted) != CpuLevelName(level)) continue;
    if (!CpuHas(level)) {
      throw Error(ErrorCode::kInvalidArgument, std::string("DIECAST_CPU asks for ") + wanted +
                                                   ", but this processor offers at most " +
                                                   CpuLevelName(BestLevel()));
    }
    return level;
  }
  throw Error(ErrorCode::kInvalidArgument, std::string("DIECAST_CPU is '") + wanted +
                                               "'; it must be portable, avx2, avx512 or amx");
}

std::string CpuName() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t colon = line.find(':');
    if (colon != std::string::npos && colon + 2 < line.size()) return line.substr(colon + 2);
  }
  return "unknown processor";
}

int AvailableCores() {
  int count = 0;
#if defined(__linux__)
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
    std::set<std::pair<std::string, std::string>> cores;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &allowed)) continue;
      const std::string topology =
          "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
      std::string core = ReadLine(topology + "core_id");
      if (core.empty()) core = "cpu" + std::to_string(cpu);
      cores.emplace(ReadLine(topology + "physical_package_id"), core);
    }
    count = static_cast<int>(cores.size());
  }
#endif
  if (count == 0) count = static_cast<int>(std::thread::hardware_concurrency());
  const double quota = CgroupCores();
  if (quota > 0) count = std::min(count, static_cast<int>(std::ceil(quota)));
  return std::max(count, 1);
}

}  // namespace diecast
