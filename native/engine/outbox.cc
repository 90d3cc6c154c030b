#include "native/engine/outbox.h"

namespace diecast {

void Outbox::Add(int32_t id, StepDelta&& delta) {
  if (delta.tokens.empty() && delta.runs.empty() && delta.scores.count == 0) return;
  const std::lock_guard lock(mutex_);
  backlog_ += delta.tokens.size() * sizeof(int32_t);
  backlog_ += delta.scores.ids.size() * (sizeof(int32_t) + sizeof(float));
  for (const TextRun& run : delta.runs) backlog_ += run.text.size();
  const auto [at, is_new] = index_.try_emplace(id, deltas_.size());
  if (is_new) {
    deltas_.emplace_back(id, std::move(delta));
    return;
  }
  StepDelta& whole = deltas_[at->second].second;
  whole.tokens.insert(whole.tokens.end(), delta.tokens.begin(), delta.tokens.end());
  whole.num_forced += delta.num_forced;
  whole.scores.Append(std::move(delta.scores));
  for (TextRun& run : delta.runs) {
    if (!whole.runs.empty() && whole.runs.back().forced == run.forced) {
      whole.runs.back().text += run.text;
    } else {
      whole.runs.push_back(std::move(run));
    }
  }
}

void Outbox::Finish(FinishRecord&& record) {
  const std::lock_guard lock(mutex_);
  // A later request may use the id again; its deltas must not be merged with these, which come
  // before the end.
  index_.erase(record.id);
  finished_.push_back(std::move(record));
}

bool Outbox::NeedsWake() {
  const std::lock_guard lock(mutex_);
  if (woken_ || (deltas_.empty() && finished_.empty())) return false;
  woken_ = true;
  return true;
}

StepEvents Outbox::Take() {
  std::vector<std::pair<int32_t, StepDelta>> deltas;
  StepEvents events;
  {
    const std::lock_guard lock(mutex_);
    deltas.swap(deltas_);
    events.finished.swap(finished_);
    index_.clear();
    woken_ = false;
    backlog_ = 0;
  }
  for (const auto& [id, delta] : deltas) {
    events.deltas.push_back(id);
    events.deltas.push_back(static_cast<int32_t>(delta.tokens.size()));
    events.deltas.push_back(delta.num_forced);
    events.deltas.push_back(static_cast<int32_t>(delta.runs.size()));
    events.deltas.push_back(delta.scores.count);
    events.deltas.push_back(delta.scores.width);
    events.score_ids.insert(events.score_ids.end(), delta.scores.ids.begin(),
                            delta.scores.ids.end());
    events.scores.insert(events.scores.end(), delta.scores.logprobs.begin(),
                         delta.scores.logprobs.end());
    events.tokens.insert(events.tokens.end(), delta.tokens.begin(), delta.tokens.end());
    for (const TextRun& run : delta.runs) {
      events.segments.push_back(static_cast<int32_t>(run.text.size()));
      events.segments.push_back(run.forced ? 1 : 0);
      events.text += run.text;
    }
  }
  return events;
}

}  // namespace diecast
