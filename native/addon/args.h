// Argument checks of the addon, made once and with the argument's name in the message.
#pragma once

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>

#include "native/error.h"

namespace diecast::addon {

[[noreturn]] inline void BadArgument(const char* name, const std::string& expected) {
  throw Error(ErrorCode::kInvalidArgument, std::string(name) + " must be " + expected);
}

inline std::string ExpectString(const Napi::CallbackInfo& info, size_t i, const char* name) {
  if (i >= info.Length() || !info[i].IsString()) BadArgument(name, "a string");
  return info[i].As<Napi::String>().Utf8Value();
}

inline double ExpectNumber(const Napi::CallbackInfo& info, size_t i, const char* name) {
  if (i >= info.Length() || !info[i].IsNumber()) BadArgument(name, "a number");
  return info[i].As<Napi::Number>().DoubleValue();
}

inline int64_t ExpectInteger(const Napi::CallbackInfo& info, size_t i, const char* name, int64_t lo,
                             int64_t hi) {
  const double value = ExpectNumber(info, i, name);
  if (!(value >= static_cast<double>(lo) && value <= static_cast<double>(hi)) ||
      value != std::floor(value)) {
    BadArgument(name, "an integer in [" + std::to_string(lo) + ", " + std::to_string(hi) + "]");
  }
  return static_cast<int64_t>(value);
}

inline bool OptionalBool(const Napi::CallbackInfo& info, size_t i, const char* name,
                         bool fallback) {
  if (i >= info.Length() || info[i].IsUndefined()) return fallback;
  if (!info[i].IsBoolean()) BadArgument(name, "a boolean");
  return info[i].As<Napi::Boolean>().Value();
}

inline Napi::Object ExpectObject(const Napi::CallbackInfo& info, size_t i, const char* name) {
  if (i >= info.Length() || !info[i].IsObject()) BadArgument(name, "an object");
  return info[i].As<Napi::Object>();
}

inline Napi::Function ExpectFunction(const Napi::CallbackInfo& info, size_t i, const char* name) {
  if (i >= info.Length() || !info[i].IsFunction()) BadArgument(name, "a function");
  return info[i].As<Napi::Function>();
}

/// Owner: the JavaScript array; valid during the call.
inline std::span<uint8_t> ExpectBytes(const Napi::CallbackInfo& info, size_t i, const char* name) {
  if (i >= info.Length() || !info[i].IsTypedArray() ||
      info[i].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    BadArgument(name, "a Uint8Array");
  }
  auto array = info[i].As<Napi::Uint8Array>();
  return {array.Data(), array.ElementLength()};
}

inline std::span<int32_t> ExpectInt32Array(const Napi::CallbackInfo& info, size_t i,
                                           const char* name, size_t min_length = 0) {
  if (i >= info.Length() || !info[i].IsTypedArray() ||
      info[i].As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    BadArgument(name, "an Int32Array");
  }
  auto array = info[i].As<Napi::Int32Array>();
  if (array.ElementLength() < min_length) {
    BadArgument(name, "an Int32Array of at least " + std::to_string(min_length) + " elements");
  }
  return {array.Data(), array.ElementLength()};
}

}  // namespace diecast::addon
