// Engine over diecast::Engine: argument checks, one event a step through a thread-safe function,
// lifetime.
//
// The engine's thread never touches a Napi value: it only pokes the thread-safe function, and the
// JavaScript thread then takes whatever the outbox holds. The function is referenced while requests
// live, so an idle engine does not keep the process up.
#include "native/addon/engine_wrap.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "native/addon/args.h"
#include "native/addon/guard.h"
#include "native/addon/matcher_wrap.h"
#include "native/addon/promise_worker.h"
#include "native/addon/tokenizer_wrap.h"
#include "native/backend/cpu/cpu_features.h"
#include "native/backend/cpu/thread_pool.h"
#include "native/engine/engine.h"
#include "native/loader/gguf.h"

namespace diecast::addon {
namespace {

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxSeed = (int64_t{1} << 53) - 1;

/// Fields of an options object; a missing or undefined one leaves the target alone.
class Fields {
 public:
  explicit Fields(Napi::Object object) : object_(object) {}

  template <typename T>
  void Integer(const char* name, int64_t low, int64_t high, T* target) const {
    const Napi::Value value = object_.Get(name);
    if (value.IsUndefined()) return;
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
    if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) ||
        number != std::floor(number)) {
      BadArgument(name,
                  "an integer in [" + std::to_string(low) + ", " + std::to_string(high) + "]");
    }
    *target = static_cast<T>(number);
  }
  void Float(const char* name, float* target) const {
    const Napi::Value value = object_.Get(name);
    if (value.IsUndefined()) return;
    if (!value.IsNumber()) BadArgument(name, "a number");
    *target = value.As<Napi::Number>().FloatValue();
  }
  void Double(const char* name, double* target) const {
    const Napi::Value value = object_.Get(name);
    if (value.IsUndefined()) return;
    if (!value.IsNumber()) BadArgument(name, "a number");
    *target = value.As<Napi::Number>().DoubleValue();
  }
  void String(const char* name, std::string* target) const {
    const Napi::Value value = object_.Get(name);
    if (value.IsUndefined()) return;
    if (!value.IsString()) BadArgument(name, "a string");
    *target = value.As<Napi::String>().Utf8Value();
  }
  void Bool(const char* name, bool* target) const {
    const Napi::Value value = object_.Get(name);
    if (value.IsUndefined()) return;
    if (!value.IsBoolean()) BadArgument(name, "a boolean");
    *target = value.As<Napi::Boolean>().Value();
  }
  /// One of a few words; what each stands for goes to `target`.
  template <typename Enum, typename Target>
  void Word(const char* name, std::initializer_list<std::pair<const char*, Enum>> words,
            Target* target) const {
    std::string given, expected;
    String(name, &given);
    if (!Has(name)) return;
    for (const auto& [word, value] : words) {
      if (given == word) {
        *target = value;
        return;
      }
      expected += (expected.empty() ? "one of \"" : ", \"") + std::string(word) + '"';
    }
    BadArgument(name, expected);
  }
  bool Has(const char* name) const { return !object_.Get(name).IsUndefined(); }
  Napi::Value Get(const char* name) const { return object_.Get(name); }

 private:
  Napi::Object object_;
};

template <typename Array, typename T>
Array ToTypedArray(Napi::Env env, const T* data, size_t size) {
  Array array = Array::New(env, size);
  if (size != 0) std::memcpy(array.Data(), data, size * sizeof(T));
  return array;
}

Napi::Object ToJsFinish(Napi::Env env, const FinishRecord& record) {
  Napi::Object finish = Napi::Object::New(env);
  finish.Set("id", record.id);
  finish.Set("reason", FinishReasonName(record.reason));
  if (record.reason == FinishReason::kError) {
    finish.Set("code", ErrorCodeName(record.code));
    finish.Set("message", record.message);
  }
  if (!record.matched_stop.empty()) finish.Set("matchedStop", record.matched_stop);
  if (record.matched_pattern >= 0) finish.Set("matchedPattern", record.matched_pattern);
  if (record.matched_token >= 0) finish.Set("matchedToken", record.matched_token);
  finish.Set("promptTokens", record.prompt_tokens);
  finish.Set("cachedTokens", record.cached_tokens);
  finish.Set("completionTokens", record.completion_tokens);
  finish.Set("forcedTokens", record.forced_tokens);
  finish.Set("forwardPasses", record.forward_passes);
  finish.Set("retractions", record.retractions);
  finish.Set("masks", record.masks);
  finish.Set("coldMasks", record.cold_masks);
  finish.Set("queueMs", record.queue_ms);
  finish.Set("prefillMs", record.prefill_ms);
  finish.Set("decodeMs", record.decode_ms);
  return finish;
}

Napi::Object ToJsEvent(Napi::Env env, const StepEvents& events) {
  Napi::Object event = Napi::Object::New(env);
  event.Set("deltas",
            ToTypedArray<Napi::Int32Array>(env, events.deltas.data(), events.deltas.size()));
  event.Set("segments",
            ToTypedArray<Napi::Int32Array>(env, events.segments.data(), events.segments.size()));
  event.Set("tokens",
            ToTypedArray<Napi::Int32Array>(env, events.tokens.data(), events.tokens.size()));
  event.Set("scoreIds",
            ToTypedArray<Napi::Int32Array>(env, events.score_ids.data(), events.score_ids.size()));
  event.Set("scores",
            ToTypedArray<Napi::Float32Array>(env, events.scores.data(), events.scores.size()));
  event.Set("text", ToTypedArray<Napi::Uint8Array>(env, events.text.data(), events.text.size()));
  Napi::Array finished = Napi::Array::New(env, events.finished.size());
  for (uint32_t i = 0; i < events.finished.size(); i++)
    finished.Set(i, ToJsFinish(env, events.finished[i]));
  event.Set("finished", finished);
  return event;
}

Napi::Object ToJsHistograms(Napi::Env env, const EngineHistograms& histograms) {
  Napi::Object all = Napi::Object::New(env);
  histograms.ForEach([&](const char* name, const Histogram& histogram) {
    Napi::Object one = Napi::Object::New(env);
    one.Set("sum", histogram.sum());
    one.Set("count", static_cast<double>(histogram.count()));
    Napi::Array counts = Napi::Array::New(env, Histogram::kNumBuckets);
    for (uint32_t i = 0; i < Histogram::kNumBuckets; i++)
      counts.Set(i, static_cast<double>(histogram.counts()[i]));
    one.Set("counts", counts);
    all.Set(name, one);
  });
  return all;
}

Request ParseRequest(const Napi::CallbackInfo& info) {
  Request request;
  request.id = static_cast<int32_t>(ExpectInteger(info, 0, "id", 0, kMaxInt32));
  const auto prompt = ExpectInt32Array(info, 1, "prompt");
  request.prompt.assign(prompt.begin(), prompt.end());
  if (info.Length() > 2 && !info[2].IsNull() && !info[2].IsUndefined())
    request.grammar = UnwrapGrammar(info[2]);
  const Fields fields(ExpectObject(info, 3, "options"));
  SamplingParams& sampling = request.sampling;
  fields.Integer("maxTokens", 0, kMaxInt32, &request.max_tokens);
  fields.Integer("minTokens", 0, kMaxInt32, &request.min_tokens);
  fields.Float("temperature", &sampling.temperature);
  fields.Integer("topK", -1, kMaxInt32, &sampling.top_k);
  fields.Float("topP", &sampling.top_p);
  fields.Float("minP", &sampling.min_p);
  fields.Float("frequencyPenalty", &sampling.frequency_penalty);
  fields.Float("presencePenalty", &sampling.presence_penalty);
  fields.Float("repetitionPenalty", &sampling.repetition_penalty);
  if (fields.Has("seed")) {
    fields.Integer("seed", 0, kMaxSeed, &sampling.seed);
  } else {
    std::random_device random;
    sampling.seed = uint64_t{random()} << 32 | random();
  }
  if (fields.Has("logitBiasIds")) {
    const Napi::Value ids = fields.Get("logitBiasIds");
    const Napi::Value values = fields.Get("logitBiasValues");
    const auto is = [](const Napi::Value& value, napi_typedarray_type type) {
      return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
    };
    if (!is(ids, napi_int32_array)) BadArgument("logitBiasIds", "an Int32Array");
    if (!is(values, napi_float32_array) || values.As<Napi::Float32Array>().ElementLength() !=
                                               ids.As<Napi::Int32Array>().ElementLength()) {
      BadArgument("logitBiasValues", "a Float32Array as long as logitBiasIds");
    }
    for (size_t i = 0; i < ids.As<Napi::Int32Array>().ElementLength(); i++) {
      sampling.logit_bias.emplace_back(ids.As<Napi::Int32Array>()[i],
                                       values.As<Napi::Float32Array>()[i]);
    }
  }
  if (fields.Has("stop")) {
    if (!fields.Get("stop").IsArray()) BadArgument("stop", "an array of strings");
    const auto stops = fields.Get("stop").As<Napi::Array>();
    for (uint32_t i = 0; i < stops.Length(); i++) {
      const Napi::Value stop = stops.Get(i);
      if (!stop.IsString()) BadArgument("stop", "an array of strings");
      request.stop.push_back(stop.As<Napi::String>().Utf8Value());
    }
  }
  if (fields.Has("stopPatterns")) {
    if (!fields.Get("stopPatterns").IsArray()) BadArgument("stopPatterns", "an array of grammars");
    const auto patterns = fields.Get("stopPatterns").As<Napi::Array>();
    for (uint32_t i = 0; i < patterns.Length(); i++)
      request.stop_patterns.push_back(UnwrapGrammar(patterns.Get(i)));
  }
  if (fields.Has("stopTokenIds")) {
    const Napi::Value ids = fields.Get("stopTokenIds");
    if (!ids.IsTypedArray() || ids.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array)
      BadArgument("stopTokenIds", "an Int32Array");
    const auto array = ids.As<Napi::Int32Array>();
    request.stop_token_ids.assign(array.Data(), array.Data() + array.ElementLength());
  }
  fields.Bool("logprobs", &request.logprobs);
  fields.Bool("promptLogprobs", &request.prompt_logprobs);
  fields.Integer("topLogprobs", 0, Request::kMaxTopLogprobs, &request.top_logprobs);
  fields.Integer("numChoices", 1, Request::kMaxChoices, &request.num_choices);
  fields.Integer("priority", -100, 100, &request.priority);
  fields.Double("deadlineMs", &request.deadline_ms);
  fields.String("cacheSalt", &request.cache_space);
  fields.String("fairKey", &request.fair_key);
  fields.Float("fairWeight", &request.fair_weight);
  fields.Bool("ignoreEos", &request.ignore_eos);
  fields.Bool("jumpForward", &request.jump_forward);
  return request;
}

/// What the wrap, the thread-safe function's callback and the workers share. Everything but the
/// engine's own methods is used on the JavaScript thread only.
struct EngineState {
  std::unique_ptr<Engine> engine;
  std::string model_name, architecture;
  int32_t vocab_size = 0, context_length = 0, kv_tokens = 0, threads = 0;

  Napi::ThreadSafeFunction poke;
  Napi::FunctionReference handler;
  size_t num_live = 0;
  bool closing = false;

  void Deliver(Napi::Env env, const StepEvents& events) {
    if (events.empty()) return;
    num_live -= events.finished.size();
    if (num_live == 0 && !closing) poke.Unref(env);
    try {
      handler.Call({ToJsEvent(env, events)});
    } catch (const Napi::Error& error) {
      // Node only warns about what is thrown from here; as an uncaught exception it reaches the
      // program.
      napi_fatal_exception(env, error.Value());
    }
  }
};

struct LoadOptions {
  std::string path;
  int threads = 0;
  ModelOptions model;
  EngineOptions engine;
};

LoadOptions ParseLoadOptions(const Napi::CallbackInfo& info) {
  const Fields fields(ExpectObject(info, 0, "options"));
  LoadOptions options;
  if (!fields.Get("modelPath").IsString()) BadArgument("modelPath", "a string");
  options.path = fields.Get("modelPath").As<Napi::String>().Utf8Value();
  fields.Integer("threads", 0, 1024, &options.threads);
  fields.Integer("maxBatch", 1, 1024, &options.engine.max_batch);
  fields.Integer("contextLength", 2, kMaxInt32, &options.engine.context_length);
  fields.Integer("kvTokens", 2, kMaxInt32, &options.engine.kv_tokens);
  fields.Integer("kvBytes", 1, kMaxSeed, &options.engine.kv_bytes);
  fields.Word<KvType>("kvType",
                      {{"f32", KvType::kF32},
                       {"f16", KvType::kF16},
                       {"bf16", KvType::kBf16},
                       {"int8", KvType::kInt8}},
                      &options.model.kv_type);
  fields.Integer("stepTokens", 1, 1 << 20, &options.engine.step_tokens);
  fields.Integer("maxQueue", 1, kMaxInt32, &options.engine.max_queue);
  fields.Integer("maxBacklogBytes", 1, kMaxSeed, &options.engine.max_backlog_bytes);
  fields.Bool("prefixCache", &options.engine.prefix_cache);
  fields.Word<Speculation>(
      "speculation",
      {{"off", Speculation::kOff}, {"auto", Speculation::kAuto}, {"always", Speculation::kAlways}},
      &options.engine.speculation);
  WaitingQueueOptions& queue = options.engine.queue;
  fields.Word<SchedulePolicy>("schedulePolicy",
                              {{"lpm", SchedulePolicy::kLpm},
                               {"fcfs", SchedulePolicy::kFcfs},
                               {"dfs-weight", SchedulePolicy::kDfsWeight}},
                              &queue.policy);
  fields.Double("agingMs", &queue.aging_ms);
  fields.Integer("maxOvertakes", 0, kMaxInt32, &queue.max_overtakes);
  fields.Integer("roundTokens", 1, kMaxInt32, &queue.round_tokens);
  fields.String("traceFile", &options.engine.trace_path);
  bool dequantize = false;
  fields.Bool("dequantize", &dequantize);
  if (dequantize) options.model.mode = WeightMode::kDequantized;
  return options;
}

std::shared_ptr<EngineState> LoadState(const LoadOptions& options,
                                       std::shared_ptr<const Tokenizer> tokenizer) {
  auto state = std::make_shared<EngineState>();
  auto threads = std::make_shared<ThreadPool>(options.threads);
  auto model = LoadModel(GgufFile::Open(options.path), *threads, options.model);
  const ModelConfig& config = model->config();
  state->model_name = config.name;
  state->architecture = config.architecture;
  state->vocab_size = config.vocab_size;
  state->threads = threads->num_threads();
  // Runs on the engine's thread, which the state outlives; there is nothing to report before `poke`
  // is set. The callback may run after the state is gone.
  EngineState* raw = state.get();
  const auto poke = [raw, weak = std::weak_ptr<EngineState>(state)] {
    raw->poke.NonBlockingCall([weak](Napi::Env env, Napi::Function) {
      const auto alive = weak.lock();
      if (alive != nullptr && alive->engine != nullptr)
        alive->Deliver(env, alive->engine->TakeEvents());
    });
  };
  state->engine = std::make_unique<Engine>(std::move(model), std::move(tokenizer), options.engine,
                                           poke, threads);
  state->context_length = state->engine->context_length();
  state->kv_tokens = state->engine->kv_tokens();
  return state;
}

class EngineWrap : public Napi::ObjectWrap<EngineWrap> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Engine",
                       {
                           StaticMethod<&EngineWrap::Load>("load"),
                           InstanceAccessor<&EngineWrap::ModelName>("modelName"),
                           InstanceAccessor<&EngineWrap::Architecture>("architecture"),
                           InstanceAccessor<&EngineWrap::VocabSize>("vocabSize"),
                           InstanceAccessor<&EngineWrap::ContextLength>("contextLength"),
                           InstanceAccessor<&EngineWrap::KvTokens>("kvTokens"),
                           InstanceAccessor<&EngineWrap::Threads>("threads"),
                           InstanceAccessor<&EngineWrap::Device>("device"),
                           InstanceMethod<&EngineWrap::SetEventHandler>("setEventHandler"),
                           InstanceMethod<&EngineWrap::Submit>("submit"),
                           InstanceMethod<&EngineWrap::Cancel>("cancel"),
                           InstanceMethod<&EngineWrap::FlushCache>("flushCache"),
                           InstanceMethod<&EngineWrap::Stats>("stats"),
                           InstanceMethod<&EngineWrap::Close>("close"),
                       });
  }

  explicit EngineWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineWrap>(info) {
    Guard(info.Env(), [&] {
      if (info.Length() == 0 || !info[0].IsExternal()) BadArgument("Engine", "made by Engine.load");
      state_ = *info[0].As<Napi::External<std::shared_ptr<EngineState>>>().Data();
    });
  }

  /// Also when the environment ends: the thread must be gone before the thread-safe function is.
  void Finalize(Napi::BasicEnv) override {
    if (state_ != nullptr && state_->engine != nullptr) state_->engine->Stop();
  }

 private:
  static Napi::Value Load(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      LoadOptions options = ParseLoadOptions(info);
      auto tokenizer = UnwrapTokenizer(info.Length() > 1 ? info[1] : info.Env().Undefined());
      auto constructor = std::make_shared<Napi::FunctionReference>(
          Napi::Persistent(info.This().As<Napi::Function>()));
      using State = std::shared_ptr<EngineState>;
      return PromiseWorker<State>::Run(
          info.Env(), [options, tokenizer] { return LoadState(options, tokenizer); },
          [constructor](Napi::Env env, State& state) -> Napi::Value {
            return constructor->New({Napi::External<State>::New(env, &state)});
          });
    });
  }

  void SetEventHandler(const Napi::CallbackInfo& info) {
    Guard(info.Env(), [&] {
      EngineState& state = OpenState();
      if (!state.handler.IsEmpty())
        throw Error(ErrorCode::kInvalidArgument, "the event handler is already set");
      const Napi::Function handler = ExpectFunction(info, 0, "handler");
      state.poke = Napi::ThreadSafeFunction::New(info.Env(), handler, "diecast engine", 0, 1);
      state.poke.Unref(info.Env());
      state.handler = Napi::Persistent(handler);
      // Added after the thread-safe function and so run before its own hook.
      info.Env().AddCleanupHook(
          [](std::weak_ptr<EngineState>* weak) {
            const auto alive = weak->lock();
            if (alive != nullptr && alive->engine != nullptr) alive->engine->Stop();
            delete weak;
          },
          new std::weak_ptr<EngineState>(state_));
    });
  }

  void Submit(const Napi::CallbackInfo& info) {
    Guard(info.Env(), [&] {
      EngineState& state = OpenState();
      if (state.handler.IsEmpty())
        throw Error(ErrorCode::kInvalidArgument, "setEventHandler must come before submit");
      Request request = ParseRequest(info);
      const auto num_choices = static_cast<size_t>(request.num_choices);
      state.engine->Submit(std::move(request));
      if (state.num_live == 0) state.poke.Ref(info.Env());
      state.num_live += num_choices;
    });
  }

  void Cancel(const Napi::CallbackInfo& info) {
    Guard(info.Env(), [&] {
      const auto id = static_cast<int32_t>(ExpectInteger(info, 0, "id", 0, kMaxInt32));
      if (!state_->closing) state_->engine->Cancel(id);
    });
  }

  void FlushCache(const Napi::CallbackInfo& info) {
    Guard(info.Env(), [&] { OpenState().engine->FlushCache(); });
  }

  Napi::Value Stats(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      const EngineStats s = OpenState().engine->stats();
      Napi::Object stats = Napi::Object::New(info.Env());
      const auto set = [&stats](const char* name, auto value) {
        stats.Set(name, static_cast<double>(value));
      };
      set("steps", s.steps);
      set("forwardPasses", s.forward_passes);
      set("forwardTokens", s.forward_tokens);
      set("promptTokens", s.prompt_tokens);
      set("sampledTokens", s.sampled_tokens);
      set("forcedTokens", s.forced_tokens);
      set("draftedTokens", s.drafted_tokens);
      set("acceptedTokens", s.accepted_tokens);
      set("masks", s.masks);
      set("coldMasks", s.cold_masks);
      set("asideMasks", s.aside_masks);
      set("maskUs", s.mask_us);
      set("planUs", s.plan_us);
      set("forwardUs", s.forward_us);
      set("sampleUs", s.sample_us);
      set("commitUs", s.commit_us);
      set("emitUs", s.emit_us);
      set("retractions", s.retractions);
      set("submitted", s.submitted);
      set("finished", s.finished);
      set("failed", s.failed);
      set("cancelled", s.cancelled);
      set("waiting", s.waiting);
      set("running", s.running);
      set("kvTokens", s.kv_tokens);
      set("kvFree", s.kv_free);
      set("kvCached", s.kv_cached);
      set("kvLocked", s.kv_locked);
      set("cachedTokens", s.cached_tokens);
      set("evictedTokens", s.evicted_tokens);
      set("gapUs", s.gap_us);
      set("backlogWaits", s.backlog_waits);
      stats.Set("histograms", ToJsHistograms(info.Env(), s.histograms));
      return stats;
    });
  }

  Napi::Value Close(const Napi::CallbackInfo& info) {
    return Guard(info.Env(), [&]() -> Napi::Value {
      if (state_->closing) {
        auto settled = Napi::Promise::Deferred::New(info.Env());
        settled.Resolve(info.Env().Undefined());
        return settled.Promise();
      }
      state_->closing = true;
      return PromiseWorker<StepEvents>::Run(
          info.Env(),
          [state = state_] {
            state->engine->Stop();
            return state->engine->TakeEvents();
          },
          [state = state_](Napi::Env env, StepEvents& events) -> Napi::Value {
            state->Deliver(env, events);
            if (!state->handler.IsEmpty()) {
              state->poke.Release();
              state->handler.Reset();
            }
            state->engine.reset();
            return env.Undefined();
          });
    });
  }

  Napi::Value ModelName(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), state_->model_name);
  }
  Napi::Value Architecture(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), state_->architecture);
  }
  Napi::Value VocabSize(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), state_->vocab_size);
  }
  Napi::Value ContextLength(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), state_->context_length);
  }
  Napi::Value KvTokens(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), state_->kv_tokens);
  }
  Napi::Value Threads(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), state_->threads);
  }
  /// The processor and the level of its kernels, for people.
  Napi::Value Device(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), CpuName() + " (" + CpuLevelName(ChooseCpuLevel()) + ")");
  }

  EngineState& OpenState() {
    if (state_->closing) throw Error(ErrorCode::kShutdown, "the engine is closed");
    return *state_;
  }

  std::shared_ptr<EngineState> state_;
};

}  // namespace

void RegisterEngine(Napi::Env env, Napi::Object exports) {
  exports.Set("Engine", EngineWrap::Define(env));
}

}  // namespace diecast::addon
