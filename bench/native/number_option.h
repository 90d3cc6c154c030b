// Numbers of the benchmarks' command lines.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace diecast {

/// A whole number of decimal digits in [min, max]. Ends the program with a line when `text` is
/// anything else.
inline int64_t NumberOption(std::string_view flag, std::string_view text, int64_t min,
                            int64_t max) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= min && value <= max)
    return value;
  std::fprintf(stderr, "%.*s must be a whole number from %lld to %lld, not \"%.*s\"\n",
               static_cast<int>(flag.size()), flag.data(), static_cast<long long>(min),
               static_cast<long long>(max), static_cast<int>(text.size()), text.data());
  std::exit(2);
}

constexpr int64_t kMaxThreads = 1024;
constexpr int64_t kMaxRounds = 1'000'000;

}  // namespace diecast
