#include "native/available_memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace diecast {
namespace {

/// The number that a file holds; -1 when there is no file or it holds a word, as "max".
int64_t ReadNumber(const char* path) {
  std::ifstream file(path);
  int64_t number = -1;
  return file >> number ? number : -1;
}

/// From /proc/meminfo; else all memory of the machine, of which the caller takes a share anyway.
int64_t SystemMemory() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  int64_t kilobytes = 0;
  while (file >> name >> kilobytes) {
    if (name == "MemAvailable:") return kilobytes * 1024;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  const int64_t pages = sysconf(_SC_PHYS_PAGES);
  const int64_t page_bytes = sysconf(_SC_PAGESIZE);
  return pages > 0 && page_bytes > 0 ? pages * page_bytes : 0;
}

}  // namespace

int64_t AvailableMemory() {
  int64_t available = SystemMemory();
  const char* const kLimits[][2] = {
      {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
      {"/sys/fs/cgroup/memory/memory.limit_in_bytes",
       "/sys/fs/cgroup/memory/memory.usage_in_bytes"},
  };
  for (const auto& [limit_path, usage_path] : kLimits) {
    const int64_t limit = ReadNumber(limit_path), usage = ReadNumber(usage_path);
    if (limit >= 0 && usage >= 0)
      available = std::min(available, std::max<int64_t>(0, limit - usage));
  }
  return available;
}

}  // namespace diecast
