// The sampler against the definitions written down plainly: penalties, bias, mask, bans,
// temperature, top-k, top-p, min-p in that order, over random requests at every level this
// processor has. Greedy draws must be equal; others must follow the exact distribution, by a
// chi-square test of each request and of all together. Seeds are fixed: it passes always or never.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "native/backend/cpu/cpu_features.h"
#include "native/engine/sampler.h"
#include "native/test/check.h"

namespace {

using namespace diecast;

constexpr float kNever = -std::numeric_limits<float>::infinity();

/// All that a draw depends on, in the plainest form.
struct Case {
  std::vector<float> logits;
  SamplingParams params;
  std::vector<int32_t> prompt, output;
  std::set<int32_t> allowed;
  bool masked = false;
  std::set<int32_t> banned;
};

std::vector<float> ProcessedLogits(const Case& c) {
  std::vector<float> logits = c.logits;
  const SamplingParams& p = c.params;
  for (size_t id = 0; id < logits.size(); id++) {
    const auto count = [id](const std::vector<int32_t>& ids) {
      return static_cast<float>(std::count(ids.begin(), ids.end(), static_cast<int32_t>(id)));
    };
    const float in_prompt = count(c.prompt), in_output = count(c.output);
    if (in_prompt + in_output > 0)
      logits[id] =
          logits[id] > 0 ? logits[id] / p.repetition_penalty : logits[id] * p.repetition_penalty;
    if (in_output > 0) logits[id] -= p.presence_penalty + p.frequency_penalty * in_output;
  }
  for (const auto& [id, bias] : p.logit_bias) logits[static_cast<size_t>(id)] += bias;
  const bool all_banned = c.masked && std::includes(c.banned.begin(), c.banned.end(),
                                                    c.allowed.begin(), c.allowed.end());
  for (size_t id = 0; id < logits.size(); id++) {
    const auto token = static_cast<int32_t>(id);
    if (c.masked && !c.allowed.contains(token)) logits[id] = kNever;
    if (c.banned.contains(token) && !all_banned) logits[id] = kNever;
  }
  return logits;
}

/// The probabilities of all tokens that can be drawn. `slack` moves the bounds of top-p and min-p:
/// where it makes a difference, a token lies on the bound, and rounding decides.
std::map<int32_t, double> Exact(const Case& c, double slack) {
  const std::vector<float> logits = ProcessedLogits(c);
  const SamplingParams& p = c.params;
  std::vector<std::pair<double, int32_t>>
      tokens;  // negative weights, so that the heaviest is first
  const float best = *std::max_element(logits.begin(), logits.end());
  for (size_t id = 0; id < logits.size(); id++) {
    if (logits[id] == kNever) continue;
    const double distance = static_cast<double>(logits[id]) - static_cast<double>(best);
    tokens.emplace_back(-std::exp(distance / static_cast<double>(p.temperature)), id);
  }
  std::sort(tokens.begin(), tokens.end());
  if (p.top_k > 0 && static_cast<size_t>(p.top_k) < tokens.size())
    tokens.resize(static_cast<size_t>(p.top_k));
  double total = 0, sum = 0, mass = 0;
  for (const auto& [weight, id] : tokens) total -= weight;
  std::map<int32_t, double> kept;
  for (const auto& [weight, id] : tokens) {
    if (p.top_p < 1 && sum >= (static_cast<double>(p.top_p) + slack) * total) break;
    sum -= weight;
    if (p.min_p > 0 && -weight < static_cast<double>(p.min_p) - slack) continue;
    kept[id] = -weight;
    mass -= weight;
  }
  for (auto& [id, probability] : kept) probability /= mass;
  return kept;
}

Case RandomCase(std::mt19937& random) {
  const auto below = [&random](uint32_t n) { return random() % n; };
  const auto chance = [&](uint32_t percent) { return below(100) < percent; };
  Case c;
  constexpr uint32_t kSizes[] = {1, 2, 31, 64, 100, 257, 1000, 3000};
  const uint32_t size = kSizes[below(std::size(kSizes))];
  const float spread = 0.5f + static_cast<float>(below(60)) * 0.1f;
  // Equal logits, so that ties matter, or all different.
  const bool coarse = chance(25);
  std::normal_distribution<float> normal(0, spread);
  for (uint32_t id = 0; id < size; id++) {
    const float x = normal(random);
    c.logits.push_back(chance(2) ? kNever : coarse ? std::round(x) : x);
  }
  SamplingParams& p = c.params;
  p.seed = random();
  p.temperature = chance(15) ? 0.0f : 0.25f + static_cast<float>(below(20)) * 0.1f;
  if (chance(40)) p.top_k = static_cast<int32_t>(1 + below(size + 5));
  if (chance(40)) p.top_p = static_cast<float>(1 + below(100)) / 100;
  if (chance(40)) p.min_p = static_cast<float>(below(60)) / 100;
  if (chance(30)) p.frequency_penalty = static_cast<float>(below(41)) * 0.1f - 2;
  if (chance(30)) p.presence_penalty = static_cast<float>(below(41)) * 0.1f - 2;
  if (chance(30)) p.repetition_penalty = static_cast<float>(1 + below(20)) * 0.1f;
  const auto ids = [&](uint32_t most) {
    std::vector<int32_t> drawn(below(most));
    for (int32_t& id : drawn) id = static_cast<int32_t>(below(size));
    return drawn;
  };
  c.prompt = ids(20);
  c.output = ids(20);
  if (chance(30)) {
    for (const int32_t id : std::set<int32_t>(c.prompt.begin(), c.prompt.end()))
      p.logit_bias.emplace_back(id, static_cast<float>(below(81)) * 0.1f - 4);
  }
  c.masked = chance(60);
  if (c.masked) {
    const uint32_t percent = 1 + below(100);
    for (uint32_t id = 0; id < size; id++) {
      if (chance(percent)) c.allowed.insert(static_cast<int32_t>(id));
    }
    if (c.allowed.empty()) c.allowed.insert(static_cast<int32_t>(below(size)));
  }
  if (chance(30)) {
    const auto few = ids(4);
    c.banned.insert(few.begin(), few.end());
  }
  return c;
}

/// The engine's way: counts, and a mask split between bitmap and list.
struct Run {
  Run(const Case& of, CpuLevel level, std::mt19937& random)
      : c(of),
        sampler(static_cast<int32_t>(of.logits.size()), KernelsOf(level)),
        banned(of.banned.begin(), of.banned.end()) {
    for (const int32_t id : c.prompt) counts.Add(id, false);
    for (const int32_t id : c.output) counts.Add(id, true);
    words.assign((c.logits.size() + 31) / 32, 0);
    for (const int32_t id : c.allowed) {
      if (random() % 4 == 0) {
        extra.push_back(id);
      } else {
        words[static_cast<size_t>(id) / 32] |= 1u << (id % 32);
      }
    }
    mask.base = words.data();
    mask.num_words = words.size();
    mask.extra = extra;
    mask.num_allowed = static_cast<int32_t>(c.allowed.size());
  }
  int32_t Draw(uint64_t position) {
    logits = c.logits;
    return sampler.Sample({.logits = logits,
                           .params = c.params,
                           .counts = c.params.has_penalties() ? &counts : nullptr,
                           .mask = c.masked ? &mask : nullptr,
                           .banned = banned,
                           .position = position});
  }

  const Case& c;
  Sampler sampler;
  std::vector<int32_t> banned, extra;
  std::vector<uint32_t> words;
  std::vector<float> logits;
  TokenCounts counts;
  TokenMask mask;
};

/// Statistic and degrees of freedom; tokens that are too rare for the test count as one.
std::pair<double, int> ChiSquare(const std::map<int32_t, double>& expected,
                                 const std::map<int32_t, int>& seen, int num_draws) {
  double statistic = 0, rare = 0;
  int num_bins = 0, num_rare = 0;
  const auto add = [&](double of, int there) {
    statistic += (there - of) * (there - of) / of;
    num_bins++;
  };
  for (const auto& [id, probability] : expected) {
    const auto at = seen.find(id);
    const int there = at == seen.end() ? 0 : at->second;
    const double of = probability * num_draws;
    if (of >= 8) {
      add(of, there);
    } else {
      rare += of;
      num_rare += there;
    }
  }
  if (rare >= 8) add(rare, num_rare);
  return {statistic, num_bins - 1};
}

}  // namespace

int main() {
  constexpr uint32_t kSeed = 20;
  constexpr int kCases = 240, kDraws = 4000;
  std::printf("seed %u\n", kSeed);
  std::mt19937 random(kSeed);
  const std::vector<CpuLevel> levels = AvailableCpuLevels();
  double excess = 0, variance = 0;
  int num_greedy = 0, num_drawn = 0, num_on_bounds = 0;
  for (int i = 0; i < kCases; i++) {
    const Case c = RandomCase(random);
    Run run(c, levels[static_cast<size_t>(i) % levels.size()], random);
    const std::vector<float> logits = ProcessedLogits(c);
    const auto best = std::max_element(logits.begin(), logits.end());
    if (*best == kNever) {
      CHECK(run.Draw(0) == -1);
      continue;
    }
    if (c.params.is_greedy()) {
      CHECK(run.Draw(0) == best - logits.begin());
      num_greedy++;
      continue;
    }
    const auto expected = Exact(c, 0);
    const auto keys = [](const std::map<int32_t, double>& of) {
      std::set<int32_t> ids;
      for (const auto& [id, probability] : of) ids.insert(id);
      return ids;
    };
    if (keys(Exact(c, 1e-5)) != keys(Exact(c, -1e-5))) {
      num_on_bounds++;
      continue;
    }
    std::map<int32_t, int> seen;
    for (int draw = 0; draw < kDraws; draw++) {
      const int32_t id = run.Draw(static_cast<uint64_t>(draw));
      CHECK(expected.contains(id));
      seen[id]++;
    }
    num_drawn++;
    const auto [statistic, freedom] = ChiSquare(expected, seen, kDraws);
    if (freedom < 1) continue;
    // Wilson and Hilferty: the cube root is nearly normal.
    const double spread = 2.0 / (9 * freedom);
    const double deviations = (std::cbrt(statistic / freedom) - (1 - spread)) / std::sqrt(spread);
    if (deviations >= 4.5)
      std::fprintf(stderr, "case %d: %g at %d degrees of freedom\n", i, statistic, freedom);
    CHECK(deviations < 4.5);
    excess += statistic - freedom;
    variance += 2 * freedom;
  }
  std::printf("%d drawn, %d greedy, %d on a bound; all together %.2f deviations\n", num_drawn,
              num_greedy, num_on_bounds, excess / std::sqrt(variance));
  CHECK(num_drawn > kCases / 2 && num_greedy > 10 && num_on_bounds < kCases / 5);
  CHECK(std::abs(excess) < 4 * std::sqrt(variance));
}
