// ggufInfo describes a file without its bulk: arrays, which may hold a whole vocabulary, are given
// by type and length.
#include "native/addon/gguf_wrap.h"

#include <cstring>

#include "native/addon/args.h"
#include "native/addon/guard.h"
#include "native/loader/gguf.h"

namespace diecast::addon {
namespace {

/// Largest integer that a double holds exactly together with its neighbours.
constexpr uint64_t kMaxSafeInteger = (uint64_t{1} << 53) - 1;

constexpr TensorType kTensorTypes[] = {
    TensorType::kF32,  TensorType::kF16,  TensorType::kBF16, TensorType::kQ8_0,
    TensorType::kQ4_0, TensorType::kQ4_1, TensorType::kQ5_0, TensorType::kQ5_1,
    TensorType::kQ4_K, TensorType::kQ5_K, TensorType::kQ6_K,
};

Napi::Value MetadataValue(Napi::Env env, const GgufFile& file, std::string_view key) {
  const GgufValueInfo info = *file.Describe(key);
  switch (info.type) {
    case GgufValueType::kString:
      return Napi::String::New(env, std::string(*file.GetString(key)));
    case GgufValueType::kBool:
      return Napi::Boolean::New(env, *file.GetBool(key));
    case GgufValueType::kArray: {
      Napi::Object summary = Napi::Object::New(env);
      summary.Set("type", GgufValueTypeName(info.element_type));
      summary.Set("length", static_cast<double>(info.length));
      return summary;
    }
    case GgufValueType::kUint64: {
      const uint64_t value = *file.GetUint(key);
      if (value > kMaxSafeInteger) return Napi::BigInt::New(env, value);
      return Napi::Number::New(env, static_cast<double>(value));
    }
    case GgufValueType::kInt64: {
      const int64_t value = *file.GetInt(key);
      const auto limit = static_cast<int64_t>(kMaxSafeInteger);
      if (value > limit || value < -limit) return Napi::BigInt::New(env, value);
      return Napi::Number::New(env, static_cast<double>(value));
    }
    default:
      return Napi::Number::New(env, *file.GetFloat(key));
  }
}

Napi::Object TensorInfo(Napi::Env env, const TensorView& tensor) {
  Napi::Array dims = Napi::Array::New(env, tensor.dims.size());
  for (uint32_t i = 0; i < tensor.dims.size(); ++i) {
    dims.Set(i, static_cast<double>(tensor.dims[i]));
  }
  Napi::Object info = Napi::Object::New(env);
  info.Set("name", std::string(tensor.name));
  info.Set("type", TraitsOf(tensor.type).name);
  info.Set("dims", dims);
  info.Set("bytes", static_cast<double>(tensor.data.size()));
  return info;
}

Napi::Value GgufInfo(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guard(env, [&]() -> Napi::Value {
    const auto file = GgufFile::Open(ExpectString(info, 0, "path"));
    Napi::Object metadata = Napi::Object::New(env);
    for (const std::string_view key : file->Keys()) {
      // As a string value: a key that looks like an index must not become one.
      metadata.Set(Napi::String::New(env, std::string(key)), MetadataValue(env, *file, key));
    }
    Napi::Array tensors = Napi::Array::New(env, file->tensors().size());
    for (uint32_t i = 0; i < file->tensors().size(); ++i) {
      tensors.Set(i, TensorInfo(env, file->tensors()[i]));
    }
    Napi::Object result = Napi::Object::New(env);
    result.Set("metadata", metadata);
    result.Set("tensors", tensors);
    return result;
  });
}

/// A tensor type by name ("Q4_1") or by GGUF's number.
TensorType ExpectTensorType(const Napi::CallbackInfo& info, size_t i, const char* argument) {
  if (i < info.Length() && info[i].IsString()) {
    const std::string name = info[i].As<Napi::String>().Utf8Value();
    for (const TensorType type : kTensorTypes) {
      if (name == TraitsOf(type).name) return type;
    }
    throw Error(ErrorCode::kModelUnsupported, "tensor type " + name + " is not supported");
  }
  return static_cast<TensorType>(ExpectInteger(info, i, argument, 0, 0xffffffff));
}

Napi::Value DequantizeBytes(const Napi::CallbackInfo& info) {
  return Guard(info.Env(), [&]() -> Napi::Value {
    const TensorType type = ExpectTensorType(info, 0, "type");
    const TypeTraits traits = TraitsOf(type);
    const std::span<const uint8_t> bytes = ExpectBytes(info, 1, "bytes");
    const auto count = static_cast<uint64_t>(ExpectInteger(info, 2, "count", 0, 1 << 30));
    if (count % traits.block_elements != 0 ||
        count / traits.block_elements * traits.block_bytes != bytes.size()) {
      BadArgument("count", "whole " + std::string(traits.name) + " blocks of " +
                               std::to_string(traits.block_elements) + " elements in " +
                               std::to_string(traits.block_bytes) + " bytes that fill `bytes`");
    }
    Napi::Float32Array result = Napi::Float32Array::New(info.Env(), count);
    if (count != 0) Dequantize(type, bytes.data(), result.Data(), count);
    return result;
  });
}

}  // namespace

void RegisterGguf(Napi::Env env, Napi::Object exports) {
  exports.Set("ggufInfo", Napi::Function::New<GgufInfo>(env, "ggufInfo"));
  exports.Set("dequantize", Napi::Function::New<DequantizeBytes>(env, "dequantize"));
}

}  // namespace diecast::addon
