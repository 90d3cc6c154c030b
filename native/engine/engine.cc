#include "native/engine/engine.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "native/engine/attempt.h"
#include "native/matcher/compiled_grammar.h"

namespace diecast {
namespace {

using Clock = Sequence::Clock;

double MicrosBetween(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::micro>(to - from).count();
}
double MillisBetween(Clock::time_point from, Clock::time_point to) {
  return MicrosBetween(from, to) / 1000;
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
      sampler_(std::min(model_->config().vocab_size, tokenizer_->vocab_size())),
      scorer_(std::min(model_->config().vocab_size, tokenizer_->vocab_size())),
      speculator_(options.speculation),
      mask_worker_(
          [this] {
            {
              const std::lock_guard lock(mutex_);
              mask_done_ = true;
            }
            wake_.notify_one();
          },
          options.before_mask_job) {
  CheckOptions(options);
  const ModelConfig& config = model_->config();
  context_length_ = options.context_length == 0
                        ? config.context_length
                        : std::min(options.context_length, config.context_length);
  pool_ = model_->CreateKvPool(KvTokens(*model_, options, context_length_));
  cache_ = std::make_unique<RadixCache>(*pool_, options.prefix_cache);
  SchedulerOptions scheduling;
  scheduling.max_batch = options.max_batch;
  scheduling.step_tokens = options.step_tokens;
  scheduling.queue = options.queue;
  scheduler_ = std::make_unique<Scheduler>(std::move(scheduling), *pool_, *cache_);
  logits_.resize(static_cast<size_t>(options.max_batch) * static_cast<size_t>(config.vocab_size));
  if (!options.trace_path.empty()) trace_ = std::make_unique<StepTrace>(options.trace_path);
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
  const int32_t num_choices = request.num_choices;
  const int32_t max_tokens = ClippedMaxTokens(request);
  std::vector<std::unique_ptr<Sequence>> followers;
  for (int32_t i = 1; i < num_choices; i++) {
    Request choice = request;
    choice.id = id + i;
    choice.sampling.seed = ChoiceSeed(request.sampling.seed, i);
    choice.prompt_logprobs = false;
    followers.push_back(std::make_unique<Sequence>(std::move(choice), tokenizer_, max_tokens));
  }
  auto sequence = std::make_unique<Sequence>(std::move(request), tokenizer_, max_tokens);
  sequence->followers = std::move(followers);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) throw Error(ErrorCode::kShutdown, "the engine is closed");
    if (live_.size() + static_cast<size_t>(num_choices) > static_cast<size_t>(options_.max_queue)) {
      throw Error(ErrorCode::kOverloaded, "the engine has " + std::to_string(live_.size()) +
                                              " requests and cannot take " +
                                              std::to_string(num_choices) + " more; its limit is " +
                                              std::to_string(options_.max_queue));
    }
    for (int32_t i = 0; i < num_choices; i++) {
      if (live_.contains(id + i))
        throw Error(ErrorCode::kInvalidArgument, "id must not belong to a live request");
    }
    for (int32_t i = 0; i < num_choices; i++) live_.insert(id + i);
    commands_.push_back({std::move(sequence), id});
    published_.submitted += num_choices;
    published_.waiting += num_choices;
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

StepEvents Engine::TakeEvents() {
  StepEvents events = outbox_.Take();
  {
    const std::lock_guard lock(mutex_);  // so that the engine does not miss it on its way to sleep
  }
  wake_.notify_one();
  return events;
}

void Engine::FlushCache() {
  {
    const std::lock_guard lock(mutex_);
    flushing_ = true;
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
    if (!Attempt([this] { OwnerLags() ? Emit() : Step(); }, &code, &message)) {
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

bool Engine::OwnerLags() const {
  return outbox_.backlog() >= static_cast<size_t>(options_.max_backlog_bytes);
}

bool Engine::DrainCommands() {
  std::vector<Command> commands;
  bool flushes = false;
  {
    std::unique_lock lock(mutex_);
    const bool has_work = scheduler_->num_running() + scheduler_->num_waiting() > 0;
    if (has_work && OwnerLags() && !std::exchange(put_off_, true))
      published_.backlog_waits = ++stats_.backlog_waits;
    // An owner that lags stops the steps, but not its own commands: a cancelled request is done.
    const auto has_reason = [&] {
      return stopping_ || flushing_ || !commands_.empty() ||
             (has_work && !OwnerLags() && (!stalled_ || mask_done_));
    };
    const auto deadline = stalled_ ? scheduler_->NextDeadline() : std::nullopt;
    if (deadline) {
      wake_.wait_until(lock, *deadline, has_reason);
    } else {
      wake_.wait(lock, has_reason);
    }
    mask_done_ = false;
    commands.swap(commands_);
    flushes = std::exchange(flushing_, false);
    if (stopping_) {
      for (Command& command : commands) {
        if (command.submit == nullptr) continue;
        TraceSubmission(*command.submit);
        scheduler_->Add(std::move(command.submit));
      }
      return false;
    }
  }
  if (flushes) cache_->Flush();
  for (Command& command : commands) {
    if (command.submit != nullptr) {
      Sequence& leader = *command.submit;
      TraceSubmission(leader);
      AddFollowers(leader, std::move(leader.followers));
      scheduler_->Add(std::move(command.submit));
    } else if (auto sequence = TakeOut(command.id)) {
      End(std::move(sequence), FinishReason::kCancelled);
    }
  }
  return true;
}

void Engine::Step() {
  const auto begin = Clock::now();
  put_off_ = false;
  if (stepped_at_ != Clock::time_point{}) {
    const double gap_us = MicrosBetween(stepped_at_, begin);
    stats_.gap_us += gap_us;
    stats_.histograms.gap_us.Add(gap_us);
  }
  auto phase = begin;
  // Ends a phase; returns its time in µs.
  const auto lap = [&](const char* name, double* total, std::initializer_list<TraceArg> args = {}) {
    const auto now = Clock::now();
    const double us = MicrosBetween(phase, now);
    *total += us;
    if (trace_ != nullptr) trace_->Span(name, phase, now, args);
    phase = now;
    return us;
  };
  const auto size = [](const auto& list) { return static_cast<int64_t>(list.size()); };
  const int64_t retractions = scheduler_->num_retractions();
  ended_.clear();
  auto overdue = scheduler_->RemoveOverdue();
  for (auto& sequence : overdue) {
    // Choices that have not forked yet have the same deadline.
    for (auto& follower : sequence->followers) {
      leaders_.erase(follower->id());
      End(std::move(follower), FinishReason::kDeadline);
    }
    sequence->followers.clear();
    End(std::move(sequence), FinishReason::kDeadline);
  }
  StepPlan plan = scheduler_->Plan([this](Sequence& s) { return BeginSequence(s); }, &ended_);
  lap("plan", &stats_.plan_us,
      {{"running", static_cast<int64_t>(scheduler_->num_running())},
       {"waiting", static_cast<int64_t>(scheduler_->num_waiting())},
       {"retracted", scheduler_->num_retractions() - retractions}});
  const bool has_work = !plan.rows.empty();
  // Nothing can run before a mask is there: nobody left and made room for others just now.
  stalled_ = !has_work && scheduler_->num_awaiting() > 0 && ended_.empty() && overdue.empty() &&
             scheduler_->num_retractions() == retractions;
  if (has_work) {
    stats_.steps++;
    const int64_t masks = stats_.masks;
    const int64_t cold_masks = stats_.cold_masks;
    ComputeMasks(&plan);
    AddDrafts(&plan);
    stats_.histograms.mask_us.Add(lap("mask", &stats_.mask_us,
                                      {{"masks", stats_.masks - masks},
                                       {"cold", stats_.cold_masks - cold_masks},
                                       {"drafts", plan.num_drafts}}));
    const bool ran = !plan.rows.empty() && Forward(&plan);
    const double forward_us =
        lap("forward", &stats_.forward_us,
            {{"rows", size(plan.rows)}, {"tokens", plan.num_tokens + plan.num_drafts}});
    stats_.histograms.forward_us.Add(forward_us);
    if (ran) {
      speculator_.cost().Add(plan.num_tokens + plan.num_drafts, forward_us);
      stats_.histograms.step_rows.Add(static_cast<double>(plan.rows.size()));
      stats_.histograms.step_tokens.Add(plan.num_tokens + plan.num_drafts);
      std::vector<SampledToken> sampled;
      const auto vocab_size = static_cast<size_t>(model_->config().vocab_size);
      size_t at = 0;
      for (const PlannedRow& row : plan.rows) {
        const size_t num_known =
            static_cast<size_t>(row.sequence->NumLogits(row.num_tokens, row.samples));
        const size_t count = (num_known + row.sequence->drafts.size()) * vocab_size;
        ProcessRow(row, std::span(logits_).subspan(at, count), &sampled);
        at += count;
      }
      scheduler_->Publish();
      lap("sample", &stats_.sample_us, {{"tokens", size(sampled)}});
      const int64_t forced = stats_.forced_tokens;
      const int64_t accepted = stats_.accepted_tokens;
      for (SampledToken& token : sampled) CommitRow(std::move(token));
      lap("commit", &stats_.commit_us,
          {{"forced", stats_.forced_tokens - forced},
           {"accepted", stats_.accepted_tokens - accepted}});
    }
  }
  Emit();
  lap("emit", &stats_.emit_us);
  if (trace_ != nullptr) trace_->Span("step", begin, phase, {{"steps", stats_.steps}});
  const bool has_more = scheduler_->num_running() + scheduler_->num_waiting() > 0;
  stepped_at_ = has_work && has_more ? phase : Clock::time_point{};
}

// What a pass gives a sequence: scores of tokens that were there, and the next token.
void Engine::ProcessRow(const PlannedRow& row, std::span<float> logits,
                        std::vector<SampledToken>* sampled) {
  Sequence& sequence = *row.sequence;
  const auto vocab_size = static_cast<size_t>(model_->config().vocab_size);
  const bool ends = sequence.ending && row.num_tokens == sequence.num_pending();
  sequence.num_computed += row.num_tokens;
  sequence.forward_passes++;
  ErrorCode code;
  std::string message;
  const bool processed = Attempt(
      [&] {
        const auto draft_logits = logits.last(sequence.drafts.size() * vocab_size);
        const auto known = logits.first(logits.size() - draft_logits.size());
        const auto count = static_cast<int32_t>(known.size() / vocab_size);
        if (sequence.needs_scores()) ScoreKnown(sequence, known, count);
        if (!row.samples) return;
        const auto last = known.last(vocab_size);
        if (!sequence.followers.empty()) Fork(sequence, last, sampled);
        sampled->push_back(SampleRow(sequence, last));
        sampled->back().draft_logits = draft_logits;
      },
      &code, &message);
  if (!processed) {
    Fail(scheduler_->Remove(sequence.id()), code, message);
  } else if (ends) {
    End(scheduler_->Remove(sequence.id()), *sequence.ending);
  }
}

bool Engine::BeginSequence(Sequence& sequence) {
  stats_.cached_tokens += sequence.num_cached;
  stats_.histograms.cached_tokens.Add(sequence.num_cached);
  stats_.prompt_tokens += sequence.num_prompt();
  const bool runs = BeginOne(sequence);
  std::erase_if(sequence.followers, [this](const auto& f) { return !BeginOne(*f); });
  if (!runs) {
    for (auto& follower : sequence.followers) {
      Fail(std::move(follower), ErrorCode::kNativeFailure, "another choice could not begin");
    }
    sequence.followers.clear();
  }
  return runs;
}

// The first forced text joins the prompt's prefill; a grammar that forces all of its text never
// meets the model, unless its tokens are to be scored.
bool Engine::BeginOne(Sequence& sequence) {
  sequence.admitted_at = Clock::now();
  stats_.histograms.queue_us.Add(MicrosBetween(sequence.submitted_at, sequence.admitted_at));
  if (trace_ != nullptr) {
    trace_->End("queued", sequence.id(), sequence.admitted_at);
    trace_->Begin("prefill", sequence.id(), sequence.admitted_at);
  }
  StepDelta delta;
  std::optional<FinishReason> reason;
  FinishRecord failure;
  const bool begun = Attempt(
      [&] {
        reason = sequence.Begin(&delta);
        if (reason && sequence.FlushText(&delta)) reason = FinishReason::kStop;
      },
      &failure.code, &failure.message);
  stats_.forced_tokens += delta.num_forced;
  outbox_.Add(sequence.id(), std::move(delta));
  if (begun && !reason) return true;
  if (begun && sequence.needs_scores()) {
    sequence.ending = reason;
    return true;
  }
  failure.reason = begun ? *reason : FinishReason::kError;
  Report(sequence, std::move(failure));
  return false;
}

void Engine::AddFollowers(Sequence& leader, std::vector<std::unique_ptr<Sequence>> followers) {
  for (const auto& follower : followers) leaders_[follower->id()] = &leader;
  leader.followers = std::move(followers);
}

std::unique_ptr<Sequence> Engine::TakeOut(int32_t id) {
  if (const auto found = leaders_.find(id); found != leaders_.end()) {
    auto& followers = found->second->followers;
    const auto at = std::find_if(followers.begin(), followers.end(),
                                 [id](const auto& f) { return f->id() == id; });
    auto follower = std::move(*at);
    followers.erase(at);
    return follower;
  }
  auto sequence = scheduler_->Remove(id);
  if (sequence == nullptr || sequence->followers.empty()) return sequence;
  auto followers = std::move(sequence->followers);
  sequence->followers.clear();
  auto leader = std::move(followers.front());
  followers.erase(followers.begin());
  leaders_.erase(leader->id());
  AddFollowers(*leader, std::move(followers));
  scheduler_->Add(std::move(leader));
  return sequence;
}

void Engine::ScoreKnown(Sequence& sequence, std::span<const float> logits, int32_t count) {
  const auto vocab_size = static_cast<size_t>(model_->config().vocab_size);
  StepDelta delta;
  ScoredTokens of_output;  // the followers' as well
  delta.scores.width = of_output.width = 1 + sequence.request.top_logprobs;
  for (int32_t i = 0; i < count && sequence.needs_scores(); i++) {
    const int32_t index = sequence.num_computed - count + i + 1;
    if (index >= sequence.num_tokens()) break;
    if (index != sequence.num_scored) continue;
    const auto row = logits.subspan(static_cast<size_t>(i) * vocab_size, vocab_size);
    const int32_t id = sequence.tokens[static_cast<size_t>(index)];
    if (index < sequence.num_prompt()) {
      scorer_.ScorePrompt(row, id, &delta.scores);
    } else {
      // What was sampled got its scores then; only forced tokens are without.
      scorer_.ScoreForced(row, id, &delta.scores);
      if (!sequence.followers.empty()) scorer_.ScoreForced(row, id, &of_output);
    }
    sequence.num_scored++;
  }
  for (const auto& follower : sequence.followers) {
    StepDelta copy;
    copy.scores = of_output;
    follower->num_scored += of_output.count;
    outbox_.Add(follower->id(), std::move(copy));
  }
  outbox_.Add(sequence.id(), std::move(delta));
}

void Engine::Fork(Sequence& leader, std::span<const float> logits,
                  std::vector<SampledToken>* sampled) {
  std::vector<Sequence*> followers;
  for (const auto& follower : leader.followers) followers.push_back(follower.get());
  scheduler_->Fork(leader, std::exchange(leader.followers, {}));
  std::vector<float> row;
  for (Sequence* follower : followers) {
    leaders_.erase(follower->id());
    follower->mask = leader.mask;
    follower->masks += leader.matcher ? 1 : 0;
    row.assign(logits.begin(), logits.end());
    sampled->push_back(SampleRow(*follower, row));
  }
}

Engine::SampledToken Engine::SampleRow(Sequence& sequence, std::span<float> logits) {
  SampledToken sampled{.sequence = &sequence, .id = -1, .score = {}};
  const TokenMask* mask = sequence.matcher ? &sequence.mask : nullptr;
  const bool scored = sequence.request.logprobs;
  if (scored) raw_logits_.assign(logits.begin(), logits.end());
  sampled.id = sampler_.Sample({.logits = logits,
                                .params = sequence.request.sampling,
                                .counts = sequence.counts ? &*sequence.counts : nullptr,
                                .mask = mask,
                                .banned = sequence.BannedTokens(sequence.num_output()),
                                .position = static_cast<uint64_t>(sequence.num_output())});
  if (scored && sampled.id >= 0) {
    sampled.score.width = 1 + sequence.request.top_logprobs;
    scorer_.Score(raw_logits_, logits, mask, sampled.id, &sampled.score);
  }
  return sampled;
}

namespace {

// How many of the drafts, after the first `num_matched`, the tokens from `first` on are.
size_t CountMatching(const Sequence& sequence, size_t num_matched, int32_t first) {
  const auto tokens = std::span(sequence.tokens).subspan(static_cast<size_t>(first));
  const auto drafts = std::span(sequence.drafts).subspan(num_matched);
  const auto [token, draft] =
      std::mismatch(tokens.begin(), tokens.end(), drafts.begin(), drafts.end(),
                    [](int32_t id, const Draft& guessed) { return id == guessed.id; });
  return static_cast<size_t>(token - tokens.begin());
}

}  // namespace

void Engine::CommitRow(SampledToken sampled) {
  Sequence& sequence = *sampled.sequence;
  const auto vocab_size = static_cast<size_t>(model_->config().vocab_size);
  const std::span<float> logits = sampled.draft_logits;
  const size_t num_drafts = sequence.drafts.size();
  for (size_t matched = 0;;) {
    const int32_t first = sequence.num_tokens();
    if (!CommitToken(std::move(sampled))) return;
    const size_t count = CountMatching(sequence, matched, first);
    const bool all = count == static_cast<size_t>(sequence.num_tokens() - first);
    matched += count;
    sequence.num_computed += static_cast<int32_t>(count);
    sequence.num_accepted += static_cast<int32_t>(count);
    stats_.accepted_tokens += static_cast<int64_t>(count);
    // Of a draft before a forced one no logits are wanted.
    const Draft* next = matched < num_drafts ? &sequence.drafts[matched] : nullptr;
    if (!all || (next != nullptr && next->forced)) break;
    ErrorCode code;
    std::string message;
    sequence.guess = next == nullptr ? Guess{} : Guess{.id = next->id, .source = next->source};
    sequence.mask = sequence.drafts[matched - 1].mask;
    CountMask(sequence);
    const bool drawn = Attempt(
        [&] {
          sampled = SampleRow(sequence, logits.subspan((matched - 1) * vocab_size, vocab_size));
        },
        &code, &message);
    if (!drawn) {
      Fail(scheduler_->Remove(sequence.id(), false), code, message);
      return;
    }
  }
  if (num_drafts > 0) scheduler_->DropDrafts(sequence);
}

bool Engine::CommitToken(SampledToken&& sampled) {
  Sequence& sequence = *sampled.sequence;
  const bool had_first_token = sequence.has_first_token;
  StepDelta delta;
  std::optional<FinishReason> reason;
  ErrorCode code;
  std::string message;
  const bool committed = Attempt(
      [&] {
        sequence.mask = {};
        if (sampled.id < 0)
          throw Error(ErrorCode::kNativeFailure,
                      "the model gave no finite logit for any allowed token");
        if (speculator_.Guesses(sequence)) {
          speculator_.Learn(sequence.guess, sampled.id);
          if (sequence.matcher) sequence.matcher->RememberChoice(sampled.id);
        }
        reason = sequence.Commit(sampled.id, &delta);
        // A token that only ends the text is not part of it.
        if (sampled.score.count != 0 && !delta.tokens.empty()) {
          delta.scores = std::move(sampled.score);
          sequence.num_scored++;
        }
        if (reason && sequence.FlushText(&delta)) reason = FinishReason::kStop;
      },
      &code, &message);
  if (trace_ != nullptr && sequence.has_first_token && !had_first_token) {
    trace_->End("prefill", sequence.id(), sequence.first_token_at);
    trace_->Begin("decode", sequence.id(), sequence.first_token_at);
  }
  stats_.sampled_tokens += static_cast<int64_t>(delta.tokens.size()) - delta.num_forced;
  stats_.forced_tokens += delta.num_forced;
  outbox_.Add(sequence.id(), std::move(delta));
  if (!committed) {
    Fail(scheduler_->Remove(sequence.id(), false), code, message);
  } else if (reason && sequence.needs_scores()) {
    sequence.ending = reason;
  } else if (reason) {
    End(scheduler_->Remove(sequence.id()), *reason);
  }
  return committed && !reason;
}

void Engine::End(std::unique_ptr<Sequence> sequence, FinishReason reason) {
  for (auto& follower : sequence->followers) End(std::move(follower), reason);
  sequence->followers.clear();
  FinishRecord record;
  record.reason = reason;
  Report(*sequence, std::move(record));
}

void Engine::Fail(std::unique_ptr<Sequence> sequence, ErrorCode code, const std::string& message) {
  for (auto& follower : sequence->followers) Fail(std::move(follower), code, message);
  sequence->followers.clear();
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
  leaders_.erase(record.id);
  record.matched_stop = s.text.matched_stop();
  record.matched_pattern = s.text.matched_pattern();
  record.matched_token = s.matched_token;
  record.masks = s.masks;
  record.cold_masks = s.cold_masks;
  record.prompt_tokens = s.num_prompt();
  record.cached_tokens = s.num_cached;
  record.completion_tokens = s.num_output();
  record.forced_tokens = s.num_forced;
  record.forward_passes = s.forward_passes;
  record.retractions = s.retractions;
  record.queue_ms = MillisBetween(s.submitted_at, admitted);
  record.prefill_ms = MillisBetween(admitted, first_token);
  record.decode_ms = MillisBetween(first_token, now);
  EngineHistograms& histograms = stats_.histograms;
  if (s.has_first_token)
    histograms.first_token_us.Add(MicrosBetween(s.submitted_at, s.first_token_at));
  histograms.output_tokens.Add(record.completion_tokens);
  histograms.forced_tokens.Add(record.forced_tokens);
  histograms.accepted_tokens.Add(s.num_accepted);
  histograms.retractions.Add(record.retractions);
  TraceEnd(s, record);
  switch (record.reason) {
    case FinishReason::kCancelled:
    case FinishReason::kDeadline:
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

// The parts of a request's life: queued, prefill, decode, all inside of `request`.
void Engine::TraceSubmission(const Sequence& sequence) {
  if (trace_ == nullptr) return;
  trace_->Begin("request", sequence.id(), sequence.submitted_at);
  trace_->Begin("queued", sequence.id(), sequence.submitted_at);
  for (const auto& follower : sequence.followers) TraceSubmission(*follower);
}

void Engine::TraceEnd(const Sequence& sequence, const FinishRecord& record) {
  if (trace_ == nullptr) return;
  const auto now = Clock::now();
  if (sequence.mask_job != nullptr) trace_->End("mask", record.id, now);
  const bool was_admitted = sequence.admitted_at != Clock::time_point{};
  const char* part = sequence.has_first_token ? "decode" : was_admitted ? "prefill" : "queued";
  trace_->End(part, record.id, now);
  trace_->End("request", record.id, now,
              {{"prompt", record.prompt_tokens},
               {"cached", record.cached_tokens},
               {"output", record.completion_tokens},
               {"forced", record.forced_tokens},
               {"retractions", record.retractions}},
              FinishReasonName(record.reason));
}

void Engine::Emit() {
  stats_.retractions = scheduler_->num_retractions();
  stats_.running = static_cast<int64_t>(scheduler_->num_running());
  stats_.kv_free = pool_->num_free();
  stats_.kv_cached = cache_->num_evictable();
  stats_.kv_locked = cache_->num_locked();
  stats_.evicted_tokens = cache_->num_evicted();
  {
    const std::lock_guard lock(mutex_);
    stats_.submitted = published_.submitted;
    stats_.waiting = static_cast<int64_t>(scheduler_->num_waiting() + leaders_.size());
    for (const Command& command : commands_) {
      if (command.submit == nullptr) continue;
      stats_.waiting += 1 + static_cast<int64_t>(command.submit->followers.size());
    }
    published_ = stats_;
  }
  if (outbox_.NeedsWake()) on_events_();
}

}  // namespace diecast
