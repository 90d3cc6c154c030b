// Tokenizer and StreamDecoder over their native classes: argument checks and conversions only.
#include "native/addon/tokenizer_wrap.h"

#include <cstring>
#include <utility>

#include "native/addon/args.h"
#include "native/addon/guard.h"
#include "native/loader/gguf.h"

namespace diecast::addon {
namespace {

constexpr napi_type_tag kTokenizerTag = {0x5d1e9b7a40c24f10, 0x9f0c6a1d2b3e4f11};

/// Bytes of a string (as UTF-8) or a Uint8Array.
std::string ExpectText(const Napi::CallbackInfo& info, size_t i, const char* name) {
  if (i < info.Length() && info[i].IsString()) return info[i].As<Napi::String>().Utf8Value();
  if (i >= info.Length() || !info[i].IsTypedArray()) {
    BadArgument(name, "a string or a Uint8Array");
  }
  const std::span<const uint8_t> bytes = ExpectBytes(info, i, name);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Napi::Value ToUint8Array(Napi::Env env, std::string_view bytes) {
  Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size());
  if (!bytes.empty()) std::memcpy(array.Data(), bytes.data(), bytes.size());
  return array;
}

Napi::Value ToInt32Array(Napi::Env env, std::span<const int32_t> ids) {
  Napi::Int32Array array = Napi::Int32Array::New(env, ids.size());
  if (!ids.empty()) std::memcpy(array.Data(), ids.data(), ids.size_bytes());
  return array;
}

class TokenizerWrap : public Napi::ObjectWrap<TokenizerWrap> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Tokenizer",
                       {InstanceAccessor<&TokenizerWrap::VocabSize>("vocabSize"),
                        InstanceAccessor<&TokenizerWrap::BosId>("bosId"),
                        InstanceAccessor<&TokenizerWrap::AddsBos>("addsBos"),
                        InstanceAccessor<&TokenizerWrap::EosIds>("eosIds"),
                        InstanceAccessor<&TokenizerWrap::ChatTemplate>("chatTemplate"),
                        InstanceAccessor<&TokenizerWrap::Fingerprint>("fingerprint"),
                        InstanceMethod<&TokenizerWrap::Encode>("encode"),
                        InstanceMethod<&TokenizerWrap::EncodeDocument>("encodeDocument"),
                        InstanceMethod<&TokenizerWrap::Decode>("decode"),
                        InstanceMethod<&TokenizerWrap::TokenBytes>("tokenBytes"),
                        InstanceMethod<&TokenizerWrap::IsSpecial>("isSpecial"),
                        InstanceMethod<&TokenizerWrap::TokenId>("tokenId")});
  }

  explicit TokenizerWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TokenizerWrap>(info) {
    Guard(info.Env(), [&] {
      if (info.Length() == 0 || !info[0].IsExternal()) {
        throw Error(ErrorCode::kInvalidArgument,
                    "a Tokenizer is made by Tokenizer.fromGguf or Tokenizer.fromJson");
      }
      tokenizer = *info[0].As<Napi::External<std::shared_ptr<const Tokenizer>>>().Data();
      info.This().As<Napi::Object>().TypeTag(&kTokenizerTag);
    });
  }

  std::shared_ptr<const Tokenizer> tokenizer;

 private:
  Napi::Value VocabSize(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), tokenizer->vocab_size());
  }
  Napi::Value BosId(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), tokenizer->bos_id());
  }
  Napi::Value AddsBos(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), tokenizer->adds_bos());
  }
  Napi::Value EosIds(const Napi::CallbackInfo& info) {
    return ToInt32Array(info.Env(), tokenizer->eos_ids());
  }
  Napi::Value ChatTemplate(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), std::string(tokenizer->chat_template()));
  }
  Napi::Value Fingerprint(const Napi::CallbackInfo& info) {
    char hex[17];
    std::snprintf(hex, sizeof(hex), "%016llx",
                  static_cast<unsigned long long>(tokenizer->fingerprint()));
    return Napi::String::New(info.Env(), hex);
  }
  Napi::Value Encode(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&] {
      const std::string text = ExpectText(info, 0, "text");
      const bool parse_special = OptionalBool(info, 1, "parseSpecial", false);
      return ToInt32Array(info.Env(), tokenizer->Encode(text, parse_special));
    });
  }
  Napi::Value EncodeDocument(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&] {
      const std::string text = ExpectText(info, 0, "text");
      const bool parse_special = OptionalBool(info, 1, "parseSpecial", false);
      const bool continues = OptionalBool(info, 2, "continues", false);
      return ToInt32Array(info.Env(), tokenizer->EncodeDocument(text, parse_special, continues));
    });
  }
  Napi::Value Decode(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&] {
      const std::span<const int32_t> ids = ExpectInt32Array(info, 0, "ids");
      const bool skip_special = OptionalBool(info, 1, "skipSpecial", false);
      return ToUint8Array(info.Env(), tokenizer->Decode(ids, skip_special));
    });
  }
  Napi::Value TokenBytes(const Napi::CallbackInfo& info) {
    return Guard(info.Env(),
                 [&] { return ToUint8Array(info.Env(), tokenizer->TokenBytes(ExpectId(info))); });
  }
  Napi::Value IsSpecial(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      return Napi::Boolean::New(info.Env(), tokenizer->IsSpecial(ExpectId(info)));
    });
  }
  Napi::Value TokenId(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), tokenizer->TokenId(ExpectText(info, 0, "text")));
    });
  }

  int32_t ExpectId(const Napi::CallbackInfo& info) const {
    return static_cast<int32_t>(ExpectInteger(info, 0, "id", 0, tokenizer->vocab_size() - 1));
  }
};

class StreamDecoderWrap : public Napi::ObjectWrap<StreamDecoderWrap> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "StreamDecoder",
                       {InstanceMethod<&StreamDecoderWrap::Push>("push"),
                        InstanceMethod<&StreamDecoderWrap::Flush>("flush")});
  }

  explicit StreamDecoderWrap(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<StreamDecoderWrap>(info) {
    Guard(info.Env(), [&] {
      auto tokenizer = UnwrapTokenizer(info.Length() > 0 ? info[0] : info.Env().Undefined());
      vocab_size_ = tokenizer->vocab_size();
      decoder_ = std::make_unique<StreamDecoder>(std::move(tokenizer),
                                                 OptionalBool(info, 1, "skipSpecial", true));
    });
  }

 private:
  Napi::Value Push(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      const auto id = static_cast<int32_t>(ExpectInteger(info, 0, "id", 0, vocab_size_ - 1));
      return Napi::String::New(info.Env(), decoder_->Push(id));
    });
  }
  Napi::Value Flush(const Napi::CallbackInfo& info) {
    return Guard(info.Env(),
                 [&]() -> Napi::Value { return Napi::String::New(info.Env(), decoder_->Flush()); });
  }

  std::unique_ptr<StreamDecoder> decoder_;
  int32_t vocab_size_ = 0;
};

/// Adds a static method that builds instances. The method holds its class, so that it works
/// whatever `this` is.
template <typename Load>
void AddFactory(Napi::Env env, const Napi::Function& constructor, const char* name, Load load) {
  auto reference = std::make_shared<Napi::FunctionReference>(Napi::Persistent(constructor));
  const auto make = [reference, load](const Napi::CallbackInfo& info) -> Napi::Value {
    return Guard(info.Env(), [&]() -> Napi::Value {
      std::shared_ptr<const Tokenizer> tokenizer = load(info);
      return reference->New(
          {Napi::External<std::shared_ptr<const Tokenizer>>::New(info.Env(), &tokenizer)});
    });
  };
  Napi::Object(constructor).Set(name, Napi::Function::New(env, make, name));
}

}  // namespace

std::shared_ptr<const Tokenizer> UnwrapTokenizer(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&kTokenizerTag)) {
    BadArgument("tokenizer", "a Tokenizer");
  }
  return TokenizerWrap::Unwrap(value.As<Napi::Object>())->tokenizer;
}

void RegisterTokenizer(Napi::Env env, Napi::Object exports) {
  const Napi::Function tokenizer = TokenizerWrap::Define(env);
  AddFactory(env, tokenizer, "fromGguf", [](const Napi::CallbackInfo& info) {
    return Tokenizer::FromGguf(*GgufFile::Open(ExpectString(info, 0, "path")));
  });
  AddFactory(env, tokenizer, "fromJson", [](const Napi::CallbackInfo& info) {
    const std::span<const uint8_t> json = ExpectBytes(info, 0, "json");
    return Tokenizer::FromJson({reinterpret_cast<const char*>(json.data()), json.size()});
  });
  exports.Set("Tokenizer", tokenizer);
  exports.Set("StreamDecoder", StreamDecoderWrap::Define(env));
}

}  // namespace diecast::addon
