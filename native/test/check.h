// The few macros that the native tests need: a failed CHECK prints where and what, and the test
// program exits with 1.
#pragma once

#include <cstdio>
#include <cstdlib>

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
