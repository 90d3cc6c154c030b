// What all native tests need: a failed CHECK prints where and what, and the test
// program exits with 1.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace diecast::test {

/// What a test program returns that can test nothing here; CMakeLists.txt says the same to ctest.
constexpr int kSkipped = 77;

/// The seed of a program's random tests: its first argument, or another one every time. Print it.
inline uint32_t SeedFrom(int argc, char** argv) {
  return argc > 1 ? static_cast<uint32_t>(std::strtoul(argv[1], nullptr, 10))
                  : std::random_device{}();
}

}  // namespace diecast::test

#define CHECK(cond)                                                                 \
  do {                                                                              \
    if (!(cond)) {                                                                  \
      std::fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #cond); \
      std::exit(1);                                                                 \
    }                                                                               \
  } while (0)

#define CHECK_THROWS(expr)            \
  do {                                \
    bool threw = false;               \
    try {                             \
      (void)(expr);                   \
    } catch (const std::exception&) { \
      threw = true;                   \
    }                                 \
    CHECK(threw&& #expr);             \
  } while (0)
