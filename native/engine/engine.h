// The batching engine: one thread that drains commands, plans a step, runs the model, samples,
// commits and reports.
//
// Requests fail alone. Whatever throws while a request is prepared, masked, sampled or committed
// ends that request with its reason; a failing forward pass is run again row by row, and ends those
// that fail by themselves. The thread itself only ends when it is told to.
//
// A step waits for no mask: one that takes long is made by the mask worker, and its row sits out of
// the steps until it is there.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "native/engine/engine_options.h"
#include "native/engine/engine_stats.h"
#include "native/engine/logprobs.h"
#include "native/engine/mask_worker.h"
#include "native/engine/outbox.h"
#include "native/engine/radix_cache.h"
#include "native/engine/request.h"
#include "native/engine/sampler.h"
#include "native/engine/scheduler.h"
#include "native/engine/speculator.h"
#include "native/engine/step_trace.h"
#include "native/models/model.h"
#include "native/tokenizer/tokenizer.h"

namespace diecast {

/// Thread-safe.
class Engine {
 public:
  /// `on_events` is called on the engine's thread when there is something to take and the owner was
  /// not told yet; it must not block. Throws Error{kInvalidArgument, kOutOfMemory}. Owner:
  /// `keep_alive` lives as long as the model (its pool, its file).
  Engine(std::unique_ptr<CausalModel> model, std::shared_ptr<const Tokenizer> tokenizer,
         const EngineOptions& options, std::function<void()> on_events,
         std::shared_ptr<void> keep_alive = nullptr);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Throws Error: kInvalidArgument, kPromptTooLong, kOverloaded, kShutdown. What goes wrong later
  /// is in the finish record.
  void Submit(Request request);
  void Cancel(int32_t id);
  StepEvents TakeEvents();
  /// Empties the prefix cache before the next step. Running requests go on.
  void FlushCache();
  EngineStats stats() const;
  /// Ends every request with kShutdown and the thread after the step in progress. Idempotent;
  /// returns when the thread has ended.
  void Stop();

  const ModelConfig& model_config() const { return model_->config(); }
  int32_t context_length() const { return context_length_; }
  int32_t kv_tokens() const { return pool_->num_slots(); }

 private:
  struct Command {
    std::unique_ptr<Sequence> submit;  ///< null: cancel `id`
    int32_t id;
  };
  void Loop();
  /// Waits for commands when no step can run. False when the engine has to stop.
  bool DrainCommands();
  /// Whether steps wait for the owner to take events. Its commands do not.
  bool OwnerLags() const;
  void Step();
  struct SampledToken {
    Sequence* sequence;
    int32_t id;
    ScoredTokens score;                  ///< empty unless asked for
    std::span<float> draft_logits = {};  ///< of the sequence's drafts, a row each
  };
  void ProcessRow(const PlannedRow& row, std::span<float> logits,
                  std::vector<SampledToken>* sampled);
  bool BeginSequence(Sequence& sequence);
  bool BeginOne(Sequence& sequence);
  /// Takes a request out wherever it is; those that were to follow it go on without it.
  std::unique_ptr<Sequence> TakeOut(int32_t id);
  void AddFollowers(Sequence& leader, std::vector<std::unique_ptr<Sequence>> followers);
  /// Sees to the masks of the plan's rows. Takes out of the plan what has to wait for one, and the
  /// requests that fail.
  void ComputeMasks(StepPlan* plan);
  /// False when the mask is being made by the worker.
  bool FindMask(Sequence& sequence, MaskBudget* budget);
  void CountMask(Sequence& sequence);
  /// Takes a row out of the plan, and ends its request.
  void Drop(StepPlan* plan, size_t index, ErrorCode code, const std::string& message);
  /// Adds guesses of the tokens to come to rows that sample.
  void AddDrafts(StepPlan* plan);
  /// Runs the model. Takes the requests that fail out of the plan; false when no row is left.
  bool Forward(StepPlan* plan);
  /// Runs the model on some rows, whose logits go to logits_ from `first` on. Returns how many.
  size_t RunModel(std::span<const PlannedRow> rows, size_t first);
  /// Samples the first tokens of the sequences that follow `leader`, from its logits.
  void Fork(Sequence& leader, std::span<const float> logits, std::vector<SampledToken>* sampled);
  /// Scores tokens of the row that are there already: of the prompt, and forced ones. Shape of
  /// `logits`: [count, vocab_size], of the last computed tokens.
  void ScoreKnown(Sequence& sequence, std::span<const float> logits, int32_t count);
  SampledToken SampleRow(Sequence& sequence, std::span<float> logits);
  /// Commits a sampled token, and goes on sampling as long as drafts come true.
  void CommitRow(SampledToken sampled);
  /// False when the sequence has ended, or has all of its tokens.
  bool CommitToken(SampledToken&& sampled);
  void End(std::unique_ptr<Sequence> sequence, FinishReason reason);
  void Fail(std::unique_ptr<Sequence> sequence, ErrorCode code, const std::string& message);
  void Report(const Sequence& sequence, FinishRecord record);
  void TraceSubmission(const Sequence& sequence);
  void TraceEnd(const Sequence& sequence, const FinishRecord& record);
  void Emit();
  int32_t ClippedMaxTokens(const Request& request) const;

  const std::shared_ptr<void> keep_alive_;  // first, so that it goes last
  const std::unique_ptr<CausalModel> model_;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  const EngineOptions options_;
  int32_t context_length_;
  std::unique_ptr<KvPool> pool_;
  const std::function<void()> on_events_;
  Outbox outbox_;

  mutable std::mutex mutex_;  // guards what follows up to live_
  std::condition_variable wake_;
  std::vector<Command> commands_;
  bool stopping_ = false;
  bool flushing_ = false;
  bool mask_done_ = false;            // since the last step began
  std::unordered_set<int32_t> live_;  // submitted and not yet ended
  EngineStats published_;

  // The engine thread's only.
  EngineStats stats_;
  std::unique_ptr<StepTrace> trace_;        // null: none
  Sequence::Clock::time_point stepped_at_;  // when the last step ended that left work
  bool put_off_ = false;                    // the next step was, because the owner lagged
  std::unique_ptr<RadixCache> cache_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unordered_map<int32_t, Sequence*> leaders_;  // by the ids of their followers
  Sampler sampler_;
  TokenScorer scorer_;
  Speculator speculator_;
  bool stalled_ = false;  // the last step had nothing to run but what waits for a mask
  std::vector<float> logits_;
  std::vector<float> raw_logits_;  // of one row, when it is scored
  std::vector<std::unique_ptr<Sequence>> ended_;
  MaskWorker mask_worker_;  // after what its thread uses

  std::mutex join_mutex_;
  std::thread thread_;  // last, so that it starts when all else is there
};

}  // namespace diecast
