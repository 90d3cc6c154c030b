#include "native/engine/waiting_queue.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

namespace diecast {

struct WaitingQueue::Ranked {
  Sequence* sequence;
  double priority;  ///< the higher, the earlier
  bool retracted;   ///< or forked: begun before
  bool overtaken;
  double round;        ///< the lower, the earlier
  int32_t policy = 0;  ///< the lower, the earlier
  size_t arrival;

  auto Key() const {
    // The policy does not matter among those that have been overtaken too often.
    return std::make_tuple(-priority, !retracted, !overtaken, overtaken ? 0.0 : round,
                           overtaken ? 0 : policy, arrival);
  }
};

const std::vector<Sequence*>& WaitingQueue::Order(Sequence::Clock::time_point now,
                                                  const RadixCache& cache, size_t most) {
  std::vector<Ranked> ranked;
  ranked.reserve(sequences_.size());
  for (const auto& s : sequences_) {
    const double waited = std::chrono::duration<double, std::milli>(now - s->waiting_since).count();
    // It is always the turn of a single key.
    const auto key = keys_.size() > 1 ? keys_.find(s->request.fair_key) : keys_.end();
    const double served = key == keys_.end() ? 0 : key->second.served;
    ranked.push_back({.sequence = s.get(),
                      .priority = s->request.priority + std::floor(waited / options_.aging_ms),
                      .retracted = s->begun,
                      .overtaken = s->num_overtaken >= options_.max_overtakes,
                      .round = std::floor(served / options_.round_tokens),
                      .arrival = ranked.size()});
  }
  if (options_.policy != SchedulePolicy::kFcfs && cache.enabled()) RankByPolicy(ranked, cache);
  const auto is_before = [](const Ranked& a, const Ranked& b) { return a.Key() < b.Key(); };
  if (most < ranked.size()) {
    const auto end = ranked.begin() + static_cast<std::ptrdiff_t>(most);
    std::nth_element(ranked.begin(), end, ranked.end(), is_before);
    ranked.erase(end, ranked.end());
  }
  std::sort(ranked.begin(), ranked.end(), is_before);
  order_.clear();
  for (const Ranked& r : ranked) order_.push_back(r.sequence);
  return order_;
}

void WaitingQueue::RankByPolicy(std::vector<Ranked>& ranked, const RadixCache& cache) const {
  const size_t count = std::min(ranked.size(), options_.max_lookups);
  if (options_.policy == SchedulePolicy::kLpm) {
    for (size_t i = 0; i < count; i++) {
      Sequence& s = *ranked[i].sequence;
      if (std::exchange(s.matched_version, cache.version()) != cache.version())
        s.num_matched = cache.Peek(s.request.cache_space, s.tokens);
      ranked[i].policy = -s.num_matched;
    }
    return;
  }
  // Every request has a path. Branches are compared by how many requests go through them, then by
  // which of these came first, so sorting by the paths walks the tree depth first.
  struct Branch {
    int32_t num_requests = 0;
    size_t first = 0;
  };
  std::vector<std::vector<const RadixCache::Node*>> paths;
  std::unordered_map<const RadixCache::Node*, Branch> branches;
  for (size_t i = 0; i < count; i++) {
    const Sequence& s = *ranked[i].sequence;
    paths.push_back(cache.PeekPath(s.request.cache_space, s.tokens));
    for (const auto* node : paths.back()) {
      Branch& branch = branches[node];
      if (branch.num_requests++ == 0) branch.first = i;
    }
  }
  std::vector<size_t> by_path(count);
  for (size_t i = 0; i < count; i++) by_path[i] = i;
  std::stable_sort(by_path.begin(), by_path.end(), [&](size_t a, size_t b) {
    for (size_t d = 0; d < std::min(paths[a].size(), paths[b].size()); d++) {
      if (paths[a][d] == paths[b][d]) continue;
      const Branch &left = branches[paths[a][d]], &right = branches[paths[b][d]];
      if (left.num_requests != right.num_requests) return left.num_requests > right.num_requests;
      return left.first < right.first;
    }
    return paths[a].size() > paths[b].size();
  });
  for (size_t i = 0; i < count; i++)
    ranked[by_path[i]].policy = static_cast<int32_t>(i) - static_cast<int32_t>(count);
}

std::unique_ptr<Sequence> WaitingQueue::Admit(Sequence* sequence) {
  for (size_t i = 0; i < sequences_.size(); i++) {
    if (sequences_[i].get() != sequence) {
      sequences_[i]->num_overtaken++;
      continue;
    }
    auto admitted = std::move(sequences_[i]);
    sequences_.erase(sequences_.begin() + static_cast<std::ptrdiff_t>(i));
    const auto key = keys_.find(admitted->request.fair_key);
    if (key != keys_.end()) floor_ = std::max(floor_, key->second.served);
    admitted->num_overtaken = 0;
    return admitted;
  }
  return nullptr;
}

std::unique_ptr<Sequence> WaitingQueue::Remove(int32_t id) {
  const auto at = std::find_if(sequences_.begin(), sequences_.end(),
                               [id](const auto& s) { return s->id() == id; });
  if (at == sequences_.end()) return nullptr;
  auto sequence = std::move(*at);
  sequences_.erase(at);
  return sequence;
}

std::vector<std::unique_ptr<Sequence>> WaitingQueue::RemoveAll() {
  return std::exchange(sequences_, {});
}

void WaitingQueue::Charge(const Sequence& sequence, int32_t num_tokens) {
  const auto key = keys_.find(sequence.request.fair_key);
  if (key != keys_.end())
    key->second.served += num_tokens / static_cast<double>(sequence.request.fair_weight);
}

void WaitingQueue::Enter(const std::string& name) {
  const auto [at, is_new] = keys_.try_emplace(name);
  Key& key = at->second;
  if (key.num_live++ > 0) return;
  if (!is_new) num_idle_keys_--;
  key.served = std::max(key.served, floor_);
}

void WaitingQueue::Leave(const std::string& name) {
  const auto key = keys_.find(name);
  if (key == keys_.end() || --key->second.num_live > 0) return;
  // What a key was served beyond the others is remembered while it matters, and not of everyone:
  // keys are the clients' to choose.
  if (key->second.served <= floor_) {
    keys_.erase(key);
  } else if (++num_idle_keys_ > kMaxIdleKeys) {
    std::erase_if(keys_, [](const auto& k) { return k.second.num_live == 0; });
    num_idle_keys_ = 0;
  }
}

}  // namespace diecast
