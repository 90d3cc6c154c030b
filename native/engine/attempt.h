// Where requests fail alone: what is done for one is an attempt.
#pragma once

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "native/error.h"

namespace diecast {

/// Runs `body`; what it throws becomes a code and a message. False when it threw.
template <typename Body>
bool Attempt(Body&& body, ErrorCode* code, std::string* message) {
  try {
    body();
    return true;
  } catch (const Error& e) {
    *code = e.code;
    *message = e.what();
  } catch (const std::bad_alloc&) {
    *code = ErrorCode::kOutOfMemory;
    *message = "out of memory";
  } catch (const std::exception& e) {
    *code = ErrorCode::kNativeFailure;
    *message = e.what();
  }
  return false;
}

}  // namespace diecast
