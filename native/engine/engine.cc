#include "native/engine/engine.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include "native/matcher/compiled_grammar.h"

namespace diecast {
namespace {

using Clock = Sequence::Clock;

double MillisBetween(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

void CheckOptions(const EngineOptions& options) {
  const auto check = [](bool holds, const char* message) {
    if (!holds) throw Error(ErrorCode::kInvalidArgument, message);
  };
  check(options.max_batch >= 1 && options.max_batch <= 1024, "maxBatch must be in [1, 1024]");
  check(options.context_length >= 0, "contextLength must be at least 1");
  check(options.kv_tokens == 0 || options.kv_tokens >= 2, "kvTokens must be at least 2");
  check(options.step_tokens >= options.max_batch, "stepTokens must be at least maxBatch");
  check(options.max_queue >= 1, "maxQueue must be at least 1");
}

int32_t DefaultKvTokens(const ModelConfig& config, const EngineOptions& options,
                        int32_t context_length) {
  const int64_t bytes_per_token = int64_t{2} * config.num_layers * config.num_kv_heads *
                                  config.head_dim * static_cast<int64_t>(sizeof(float));
  const int64_t affordable = EngineOptions::kDefaultKvBytes / std::max<int64_t>(1, bytes_per_token);
  const int64_t wanted = int64_t{options.max_batch} * context_length;
  return static_cast<int32_t>(
      std::clamp<int64_t>(affordable, context_length, std::max<int64_t>(wanted, context_length)));
}

// Runs `body`; what it throws becomes a code and a message. False when it threw.
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

}  // namespace

Engine::Engine(std::unique_ptr<CausalModel> model, std::shared_ptr<const Tokenizer> tokenizer,
               const EngineOptions& options, std::function<void()> on_events,
               std::shared_ptr<void> keep_alive)
    : keep_alive_(std::move(keep_alive)),
      model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      options_(options),
      on_events_(std::move(on_events)),
      sampler_(std::min(model_->config().vocab_size, tokenizer_->vocab_size())) {
  CheckOptions(options);
  const ModelConfig& config = model_->config();
  context_length_ = options.context_length == 0
                        ? config.context_length
                        : std::min(options.context_length, config.context_length);
  pool_ = model_->CreateKvPool(options.kv_tokens != 0
                                   ? options.kv_tokens
                                   : DefaultKvTokens(config, options, context_length_));
  scheduler_ = std::make_unique<Scheduler>(SchedulerOptions{options.max_batch, options.step_tokens},
                                           *pool_, CreateFcfsQueue());
  logits_.resize(static_cast<size_t>(options.max_batch) * static_cast<size_t>(config.vocab_size));
  stats_.kv_tokens = stats_.kv_free = pool_->num_slots();
  published_ = stats_;
  thread_ = std::thread([this] { Loop(); });
}

Engine::~Engine() { Stop(); }

void Engine::Submit(Request request) {
  ValidateRequest(request, model_->config().vocab_size);
  const auto prompt_tokens = static_cast<int64_t>(request.prompt.size());
  // One output token must fit; the last one needs no slot.
  const int64_t limit = std::min<int64_t>(context_length_ - 1, pool_->num_slots());
  if (prompt_tokens > limit) {
    throw Error(ErrorCode::kPromptTooLong, "the prompt has " + std::to_string(prompt_tokens) +
                                               " tokens; the limit is " + std::to_string(limit));
  }
  if (request.grammar != nullptr) {
    const Vocabulary& vocabulary = request.grammar->vocabulary();
    if (vocabulary.tokenizer().fingerprint() != tokenizer_->fingerprint()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "grammar must be compiled for this engine's tokenizer");
    }
  }
  const int32_t id = request.id;
  const int32_t max_tokens = ClippedMaxTokens(request);
  auto sequence = std::make_unique<Sequence>(std::move(request), tokenizer_, max_tokens);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) throw Error(ErrorCode::kShutdown, "the engine is closed");
    if (live_.size() >= static_cast<size_t>(options_.max_queue)) {
      throw Error(ErrorCode::kOverloaded, "the engine has " + std::to_string(live_.size()) +
                                              " requests, which is its limit");
    }
    if (!live_.insert(id).second) {
      throw Error(ErrorCode::kInvalidArgument, "id must not belong to a live request");
    }
    commands_.push_back({std::move(sequence), id});
    published_.submitted++;
    published_.waiting++;
  }
  wake_.notify_one();
}

void Engine::Cancel(int32_t id) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || !live_.contains(id)) return;
    commands_.push_back({nullptr, id});
  }
  wake_.notify_one();
}

EngineStats Engine::stats() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

void Engine::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  const std::lock_guard lock(join_mutex_);
  if (thread_.joinable()) thread_.join();
}

int32_t Engine::ClippedMaxTokens(const Request& request) const {
  const auto prompt_tokens = static_cast<int32_t>(request.prompt.size());
  const int32_t room = std::min(context_length_, pool_->num_slots() + 1) - prompt_tokens;
  return request.max_tokens < 0 ? room : std::min(request.max_tokens, room);
}

void Engine::Loop() {
  while (DrainCommands()) {
    ErrorCode code;
    std::string message;
    if (!Attempt([this] { Step(); }, &code, &message)) {
      // Only an allocation failure outside of any request's own work can lead here. Nothing is
      // known of the state of the batch, so every request ends and the next ones start afresh.
      for (auto& sequence : scheduler_->RemoveAll()) Fail(std::move(sequence), code, message);
      Emit();
    }
  }
  for (auto& sequence : scheduler_->RemoveAll()) {
    Fail(std::move(sequence), ErrorCode::kShutdown, "the engine was closed");
  }
  Emit();
}

bool Engine::DrainCommands() {
  std::vector<Command> commands;
  {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] {
      return stopping_ || !commands_.empty() ||
             scheduler_->num_running() + scheduler_->num_waiting() > 0;
    });
    commands.swap(commands_);
    if (stopping_) {
      for (Command& command : commands) {
        if (command.submit != nullptr) scheduler_->Add(std::move(command.submit));
      }
      return false;
    }
  }
  for (Command& command : commands) {
    if (command.submit != nullptr) {
      scheduler_->Add(std::move(command.submit));
    } else if (auto sequence = scheduler_->Remove(command.id)) {
      End(std::move(sequence), FinishReason::kCancelled);
    }
  }
  return true;
}

void Engine::Step() {
  auto phase = Clock::now();
  const auto lap = [&phase](double* total) {
    const auto now = Clock::now();
    *total += std::chrono::duration<double, std::micro>(now - phase).count();
    phase = now;
  };
  ended_.clear();
  StepPlan plan = scheduler_->Plan([this](Sequence& s) { return BeginSequence(s); }, &ended_);
  lap(&stats_.plan_us);
  if (!plan.rows.empty()) {
    stats_.steps++;
    ComputeMasks(&plan);
    lap(&stats_.mask_us);
    const bool ran = !plan.rows.empty() && Forward(plan);
    lap(&stats_.forward_us);
    if (ran) {
      std::vector<std::pair<Sequence*, int32_t>> sampled;
      const auto vocab_size = static_cast<size_t>(model_->config().vocab_size);
      size_t at = 0;
      for (const PlannedRow& row : plan.rows) {
        row.sequence->num_computed += row.num_tokens;
        row.sequence->forward_passes++;
        if (!row.samples) continue;
        const int32_t id =
            SampleRow(*row.sequence, std::span(logits_).subspan(at++ * vocab_size, vocab_size));
        sampled.emplace_back(row.sequence, id);
      }
      lap(&stats_.sample_us);
      for (const auto& [sequence, id] : sampled) CommitRow(*sequence, id);
      lap(&stats_.commit_us);
    }
  }
  Emit();
  lap(&stats_.emit_us);
}

// The first forced text joins the prompt's prefill; a grammar that forces all of its text never
// meets the model.
bool Engine::BeginSequence(Sequence& sequence) {
  sequence.admitted_at = Clock::now();
  stats_.prompt_tokens += sequence.num_prompt();
  StepDelta delta;
  std::optional<FinishReason> reason;
  FinishRecord failure;
  const bool begun =
      Attempt([&] { reason = sequence.Begin(&delta); }, &failure.code, &failure.message);
  stats_.forced_tokens += delta.num_forced;
  if (begun && !reason) {
    outbox_.Add(sequence.id(), std::move(delta));
    return true;
  }
  failure.reason = begun ? *reason : FinishReason::kError;
  if (begun && sequence.FlushText(&delta)) failure.reason = FinishReason::kStop;
  outbox_.Add(sequence.id(), std::move(delta));
  Report(sequence, std::move(failure));
  return false;
}

// Grammar states are known before the pass, so the masks are made first. A failing one takes its
// row out of the step.
void Engine::ComputeMasks(StepPlan* plan) {
  for (size_t i = 0; i < plan->rows.size();) {
    const PlannedRow row = plan->rows[i];
    if (!row.samples || !row.sequence->matcher) {
      i++;
      continue;
    }
    ErrorCode code;
    std::string message;
    const bool made = Attempt(
        [&] {
          row.sequence->mask = row.sequence->matcher->NextTokenMask();
          if (row.sequence->mask.num_allowed == 0) {
            throw Error(ErrorCode::kNativeFailure, "the grammar allows no token here");
          }
        },
        &code, &message);
    if (made) {
      stats_.masks++;
      stats_.cold_masks += row.sequence->mask.cold ? 1 : 0;
      i++;
      continue;
    }
    plan->rows.erase(plan->rows.begin() + static_cast<std::ptrdiff_t>(i));
    plan->num_tokens -= row.num_tokens;
    plan->num_samples--;
    Fail(scheduler_->Remove(row.sequence->id()), code, message);
  }
}

bool Engine::Forward(const StepPlan& plan) {
  std::vector<StepRow> rows;
  rows.reserve(plan.rows.size());
  for (const PlannedRow& planned : plan.rows) {
    const Sequence& s = *planned.sequence;
    rows.push_back({.tokens = std::span(s.tokens).subspan(static_cast<size_t>(s.num_computed),
                                                          static_cast<size_t>(planned.num_tokens)),
                    .context_length = s.num_computed,
                    .kv_slots = s.slots,
                    .num_logits = planned.samples ? 1 : 0});
  }
  const size_t num_logits =
      static_cast<size_t>(plan.num_samples) * static_cast<size_t>(model_->config().vocab_size);
  ErrorCode code;
  std::string message;
  if (Attempt([&] { model_->Forward(rows, *pool_, std::span(logits_).first(num_logits)); }, &code,
              &message)) {
    stats_.forward_passes++;
    stats_.forward_tokens += plan.num_tokens;
    return true;
  }
  for (const PlannedRow& row : plan.rows)
    Fail(scheduler_->Remove(row.sequence->id()), code, message);
  return false;
}

int32_t Engine::SampleRow(Sequence& sequence, std::span<float> logits) {
  return sampler_.Sample({.logits = logits,
                          .params = sequence.request.sampling,
                          .counts = sequence.counts ? &*sequence.counts : nullptr,
                          .mask = sequence.matcher ? &sequence.mask : nullptr,
                          .banned = sequence.BannedTokens(),
                          .position = static_cast<uint64_t>(sequence.num_output())});
}

void Engine::CommitRow(Sequence& sequence, int32_t id) {
  StepDelta delta;
  std::optional<FinishReason> reason;
  ErrorCode code;
  std::string message;
  const bool committed = Attempt(
      [&] {
        sequence.mask = {};
        if (id < 0)
          throw Error(ErrorCode::kNativeFailure,
                      "the model gave no finite logit for any allowed token");
        reason = sequence.Commit(id, &delta);
        if (reason && sequence.FlushText(&delta)) reason = FinishReason::kStop;
      },
      &code, &message);
  stats_.sampled_tokens += static_cast<int64_t>(delta.tokens.size()) - delta.num_forced;
  stats_.forced_tokens += delta.num_forced;
  outbox_.Add(sequence.id(), std::move(delta));
  if (!committed) {
    Fail(scheduler_->Remove(sequence.id()), code, message);
  } else if (reason) {
    End(scheduler_->Remove(sequence.id()), *reason);
  }
}

void Engine::End(std::unique_ptr<Sequence> sequence, FinishReason reason) {
  FinishRecord record;
  record.reason = reason;
  Report(*sequence, std::move(record));
}

void Engine::Fail(std::unique_ptr<Sequence> sequence, ErrorCode code, const std::string& message) {
  FinishRecord record;
  record.reason = FinishReason::kError;
  record.code = code;
  record.message = message;
  Report(*sequence, std::move(record));
}

void Engine::Report(const Sequence& s, FinishRecord record) {
  const auto now = Clock::now();
  const auto admitted = s.admitted_at == Clock::time_point{} ? now : s.admitted_at;
  const auto first_token = s.has_first_token ? s.first_token_at : now;
  record.id = s.id();
  record.matched_stop = s.text.matched_stop();
  record.prompt_tokens = s.num_prompt();
  record.completion_tokens = s.num_output();
  record.forced_tokens = s.num_forced;
  record.forward_passes = s.forward_passes;
  record.retractions = s.retractions;
  record.queue_ms = MillisBetween(s.submitted_at, admitted);
  record.prefill_ms = MillisBetween(admitted, first_token);
  record.decode_ms = MillisBetween(first_token, now);
  switch (record.reason) {
    case FinishReason::kCancelled:
      stats_.cancelled++;
      break;
    case FinishReason::kError:
      stats_.failed++;
      break;
    default:
      stats_.finished++;
      break;
  }
  {
    const std::lock_guard lock(mutex_);
    live_.erase(record.id);
  }
  outbox_.Finish(std::move(record));
}

void Engine::Emit() {
  stats_.retractions = scheduler_->num_retractions();
  stats_.running = static_cast<int64_t>(scheduler_->num_running());
  stats_.kv_free = pool_->num_free();
  {
    const std::lock_guard lock(mutex_);
    stats_.submitted = published_.submitted;
    stats_.waiting = static_cast<int64_t>(scheduler_->num_waiting());
    for (const Command& command : commands_) stats_.waiting += command.submit != nullptr ? 1 : 0;
    published_ = stats_;
  }
  if (outbox_.NeedsWake()) on_events_();
}

}  // namespace diecast
