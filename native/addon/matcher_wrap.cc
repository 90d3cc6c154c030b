#include "native/addon/matcher_wrap.h"

#include <algorithm>
#include <vector>

#include "native/addon/args.h"
#include "native/addon/guard.h"
#include "native/addon/promise_worker.h"
#include "native/addon/tokenizer_wrap.h"
#include "native/matcher/vocabulary.h"

namespace diecast::addon {
namespace {

constexpr napi_type_tag kVocabularyTag = {0x5d1e9b7a40c24f10, 0x9f0c6a1d2b3e4f01};
constexpr napi_type_tag kGrammarTag = {0x5d1e9b7a40c24f10, 0x9f0c6a1d2b3e4f02};

template <typename Wrap>
Wrap* UnwrapTagged(const Napi::Value& value, const napi_type_tag& tag, const char* name) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&tag)) {
    BadArgument(name, std::string("a ") + name);
  }
  return Wrap::Unwrap(value.As<Napi::Object>());
}

class VocabularyWrap : public Napi::ObjectWrap<VocabularyWrap> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Vocabulary", {InstanceAccessor<&VocabularyWrap::Size>("size")});
  }
  explicit VocabularyWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<VocabularyWrap>(info) {
    Guard(info.Env(), [&] {
      if (info.Length() > 0 && info[0].IsExternal()) {
        vocabulary = *info[0].As<Napi::External<std::shared_ptr<Vocabulary>>>().Data();
      } else {
        const Napi::Value tokenizer = info.Length() > 0 ? info[0] : info.Env().Undefined();
        const bool sized = info.Length() > 1 && !info[1].IsUndefined();
        const auto size = sized ? ExpectInteger(info, 1, "vocabSize", 1, 1 << 24) : 0;
        vocabulary = CreateVocabulary(UnwrapTokenizer(tokenizer), static_cast<int32_t>(size));
      }
      info.This().As<Napi::Object>().TypeTag(&kVocabularyTag);
    });
  }
  std::shared_ptr<Vocabulary> vocabulary;

 private:
  Napi::Value Size(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), vocabulary->vocab_size());
  }
};

class GrammarWrap : public Napi::ObjectWrap<GrammarWrap> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "CompiledGrammar",
                       {StaticMethod<&GrammarWrap::Load>("load"),
                        InstanceAccessor<&GrammarWrap::MemoryBytes>("memoryBytes"),
                        InstanceMethod<&GrammarWrap::SetMemoBudget>("setMemoBudget")});
  }
  explicit GrammarWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<GrammarWrap>(info) {
    Guard(info.Env(), [&] {
      if (info.Length() > 0 && info[0].IsExternal()) {
        grammar = *info[0].As<Napi::External<std::shared_ptr<CompiledGrammar>>>().Data();
      } else {
        auto vocabulary = UnwrapVocabulary(info.Length() > 0 ? info[0] : info.Env().Undefined());
        grammar = LoadGrammar(std::move(vocabulary), ExpectBytes(info, 1, "program"));
      }
      info.This().As<Napi::Object>().TypeTag(&kGrammarTag);
    });
  }
  std::shared_ptr<CompiledGrammar> grammar;

 private:
  /// As the constructor, off the JavaScript thread: checking a program of many megabytes takes
  /// long. The program is read where it lies, so it must not change until the promise settles.
  static Napi::Value Load(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      using Shared = std::shared_ptr<CompiledGrammar>;
      auto vocabulary = UnwrapVocabulary(info.Length() > 0 ? info[0] : info.Env().Undefined());
      const auto program = ExpectBytes(info, 1, "program");
      const auto owner =
          std::make_shared<Napi::ObjectReference>(Napi::Persistent(info[1].As<Napi::Object>()));
      const auto constructor = std::make_shared<Napi::FunctionReference>(
          Napi::Persistent(info.This().As<Napi::Function>()));
      return PromiseWorker<Shared>::Run(
          info.Env(), [vocabulary, program, owner] { return LoadGrammar(vocabulary, program); },
          [constructor](Napi::Env env, Shared& loaded) -> Napi::Value {
            return constructor->New({Napi::External<Shared>::New(env, &loaded)});
          });
    });
  }
  Napi::Value MemoryBytes(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(GrammarMemoryBytes(*grammar)));
  }
  void SetMemoBudget(const Napi::CallbackInfo& info) {
    Guard(info.Env(), [&] {
      SetGrammarMemoBudget(
          *grammar, static_cast<size_t>(ExpectInteger(info, 0, "bytes", 0, int64_t{1} << 40)));
    });
  }
};

class MatcherWrap : public Napi::ObjectWrap<MatcherWrap> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(
        env, "Matcher",
        {
            InstanceMethod<&MatcherWrap::AcceptToken>("acceptToken"),
            InstanceMethod<&MatcherWrap::AcceptBytes>("acceptBytes"),
            InstanceMethod<&MatcherWrap::FillNextTokenBitmask>("fillNextTokenBitmask"),
            InstanceMethod<&MatcherWrap::TimeTokens>("timeTokens"),
            InstanceMethod<&MatcherWrap::ForcedBytes>("forcedBytes"),
            InstanceMethod<&MatcherWrap::ForcedTokens>("forcedTokens"),
            InstanceMethod<&MatcherWrap::Rollback>("rollback"),
            InstanceMethod<&MatcherWrap::Fork>("fork"),
            InstanceMethod<&MatcherWrap::Reset>("reset"),
            InstanceAccessor<&MatcherWrap::IsComplete>("isComplete"),
            InstanceAccessor<&MatcherWrap::IsTerminated>("isTerminated"),
            InstanceAccessor<&MatcherWrap::NumSteps>("numSteps"),
        });
  }
  explicit MatcherWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<MatcherWrap>(info) {
    Guard(info.Env(), [&] {
      const Napi::Value owner = info.Length() > 0 ? info[0] : info.Env().Undefined();
      auto* wrap = UnwrapTagged<GrammarWrap>(owner, kGrammarTag, "CompiledGrammar");
      grammar_object_ = Napi::Persistent(owner.As<Napi::Object>());
      matcher_ = std::make_unique<Matcher>(wrap->grammar);
    });
  }

 private:
  Napi::Value AcceptToken(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      const auto id = static_cast<int32_t>(ExpectInteger(info, 0, "id", INT32_MIN, INT32_MAX));
      return Napi::Boolean::New(info.Env(), matcher_->AcceptToken(id));
    });
  }
  Napi::Value AcceptBytes(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      const auto bytes = ExpectBytes(info, 0, "bytes");
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return Napi::Number::New(info.Env(), static_cast<double>(matcher_->AcceptBytes(text)));
    });
  }
  Napi::Value FillNextTokenBitmask(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      const TokenMask mask = matcher_->NextTokenMask();
      const auto words = mask.num_words;
      const auto row = static_cast<size_t>(ExpectInteger(info, 1, "row", 0, 1 << 20));
      const auto out = ExpectInt32Array(info, 0, "out", (row + 1) * words);
      mask.CopyTo(reinterpret_cast<uint32_t*>(out.data()) + row * words);
      return Napi::Number::New(info.Env(), mask.num_allowed);
    });
  }
  /// Feeds ids one by one, timing mask and commit together as the MaskBench protocol does; the
  /// clock stays on this side of the boundary, so JavaScript's cost is not in it. Writes
  /// microseconds into `out`; returns how many ids were accepted (the one refused, if any, is timed
  /// too).
  Napi::Value TimeTokens(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      const auto ids = ExpectInt32Array(info, 0, "ids");
      if (info.Length() < 2 || !info[1].IsTypedArray() ||
          info[1].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
        BadArgument("out", "a Float64Array");
      }
      auto out = info[1].As<Napi::Float64Array>();
      if (out.ElementLength() < ids.size()) BadArgument("out", "as long as ids");
      uint8_t* cold = nullptr;
      if (info.Length() > 2 && !info[2].IsUndefined()) {
        const auto flags = ExpectBytes(info, 2, "cold");
        if (flags.size() < ids.size()) BadArgument("cold", "as long as ids");
        cold = flags.data();
      }
      const size_t accepted = TimeMatcherTokens(*matcher_, ids, out.Data(), cold);
      return Napi::Number::New(info.Env(), static_cast<double>(accepted));
    });
  }
  Napi::Value ForcedBytes(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      const std::string bytes = matcher_->ForcedBytes();
      auto array = Napi::Uint8Array::New(info.Env(), bytes.size());
      std::copy(bytes.begin(), bytes.end(), array.Data());
      return array;
    });
  }
  Napi::Value ForcedTokens(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      const auto ids = matcher_->ForcedTokens(ExpectInt32Array(info, 0, "context"));
      auto array = Napi::Int32Array::New(info.Env(), ids.size());
      std::copy(ids.begin(), ids.end(), array.Data());
      return array;
    });
  }
  void Rollback(const Napi::CallbackInfo& info) {
    Guard(info.Env(), [&] {
      matcher_->Rollback(static_cast<int32_t>(ExpectInteger(info, 0, "steps", 0, INT32_MAX)));
    });
  }
  Napi::Value Fork(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      auto constructor = info.This().As<Napi::Object>().Get("constructor").As<Napi::Function>();
      Napi::Object copy = constructor.New({grammar_object_.Value()});
      *Unwrap(copy)->matcher_ = *matcher_;
      return copy;
    });
  }
  void Reset(const Napi::CallbackInfo&) { matcher_->Reset(); }
  Napi::Value IsComplete(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      return Napi::Boolean::New(info.Env(), matcher_->IsComplete());
    });
  }
  Napi::Value IsTerminated(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      return Napi::Boolean::New(info.Env(), matcher_->IsTerminated());
    });
  }
  Napi::Value NumSteps(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), matcher_->num_steps());
  }

  Napi::ObjectReference grammar_object_;
  std::unique_ptr<Matcher> matcher_;
};

}  // namespace

void RegisterMatcher(Napi::Env env, Napi::Object exports) {
  exports.Set("Vocabulary", VocabularyWrap::Define(env));
  exports.Set("CompiledGrammar", GrammarWrap::Define(env));
  exports.Set("Matcher", MatcherWrap::Define(env));
}

std::shared_ptr<Vocabulary> UnwrapVocabulary(const Napi::Value& value) {
  return UnwrapTagged<VocabularyWrap>(value, kVocabularyTag, "Vocabulary")->vocabulary;
}

std::shared_ptr<CompiledGrammar> UnwrapGrammar(const Napi::Value& value) {
  return UnwrapTagged<GrammarWrap>(value, kGrammarTag, "CompiledGrammar")->grammar;
}

Napi::Value ExternalVocabulary(Napi::Env env, std::shared_ptr<Vocabulary> vocabulary) {
  using Shared = std::shared_ptr<Vocabulary>;
  return Napi::External<Shared>::New(env, new Shared(std::move(vocabulary)),
                                     [](Napi::Env, Shared* data) { delete data; });
}

}  // namespace diecast::addon
