// The only place where a C++ exception becomes a JavaScript one.
#pragma once

#include <napi.h>

#include "native/error.h"

namespace diecast::addon {

inline Napi::Error ToJs(Napi::Env env, ErrorCode code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, ErrorCodeName(code)));
  return error;
}

template <typename Body>
auto Guard(Napi::Env env, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const Error& e) {
    throw ToJs(env, e.code, e.what());
  } catch (const std::bad_alloc&) {
    throw ToJs(env, ErrorCode::kOutOfMemory, "out of memory");
  } catch (const std::exception& e) {
    throw ToJs(env, ErrorCode::kNativeFailure, e.what());
  }
}

}  // namespace diecast::addon
