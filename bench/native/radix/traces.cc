#include "bench/native/radix/traces.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace diecast::radix {
namespace {

using Tokens = std::vector<int32_t>;

class Maker {
 public:
  Maker(uint64_t seed, double scale) : random_(seed), scale_(scale) {}

  int32_t Between(int32_t low, int32_t high) {
    return std::uniform_int_distribution<int32_t>(low, high)(random_);
  }
  double Wait(double mean_ms) { return std::exponential_distribution<>(1 / mean_ms)(random_); }
  bool Chance(double p) { return std::bernoulli_distribution(p)(random_); }
  int32_t Scaled(int32_t count) const {
    return std::max(1, static_cast<int32_t>(std::lround(count * scale_)));
  }
  Tokens Text(int32_t low, int32_t high) {
    Tokens text(static_cast<size_t>(Between(low, high)));
    for (int32_t& token : text) token = Between(0, 49151);
    return text;
  }
  std::vector<Tokens> Texts(int32_t count, int32_t low, int32_t high) {
    std::vector<Tokens> texts;
    for (int32_t i = 0; i < count; i++) texts.push_back(Text(low, high));
    return texts;
  }
  /// One of the texts, the first ones more often: the k-th with a weight of 1 / k.
  const Tokens& Popular(const std::vector<Tokens>& texts) {
    std::vector<double> weights;
    for (size_t k = 1; k <= texts.size(); k++) weights.push_back(1 / static_cast<double>(k));
    return texts[std::discrete_distribution<size_t>(weights.begin(), weights.end())(random_)];
  }

  Trace FewShot();
  Trace Chat();
  Trace TreeOfThought();
  Trace Extraction();
  Trace Agents();

 private:
  std::mt19937_64 random_;
  double scale_;
};

Tokens operator+(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

int32_t Add(Trace& trace, TraceRequest request) {
  trace.requests.push_back(std::move(request));
  return static_cast<int32_t>(trace.requests.size()) - 1;
}

/// Questions of many tasks, each task with its examples before the question.
Trace Maker::FewShot() {
  Trace trace{"few-shot", {}};
  const auto tasks = Texts(64, 300, 1000);
  double now = 0;
  for (int32_t i = 0; i < Scaled(2400); i++) {
    now += Wait(56);
    Add(trace, {Popular(tasks) + Text(30, 150), Text(1, 12), -1, now});
  }
  return trace;
}

/// People who read the answer, think and go on, each with the whole conversation as the prompt.
Trace Maker::Chat() {
  Trace trace{"chat", {}};
  const auto systems = Texts(4, 100, 500);
  double now = 0;
  for (int32_t i = 0; i < Scaled(360); i++) {
    now += Wait(1250);
    Tokens history = Popular(systems);
    int32_t last = -1;
    for (int32_t turn = Between(1, 10); turn > 0; turn--) {
      Tokens prompt = history + Text(15, 150);
      Tokens answer = Text(30, 250);
      history = prompt + answer;
      last = Add(trace, {std::move(prompt), std::move(answer), last, last < 0 ? now : Wait(15000)});
    }
  }
  return trace;
}

/// Problems whose partial solutions are continued in four ways and judged; the best two go on.
Trace Maker::TreeOfThought() {
  Trace trace{"tree-of-thought", {}};
  const Tokens propose = Text(500, 700), judge = Text(300, 500);
  double now = 0;
  for (int32_t i = 0; i < Scaled(60); i++) {
    now += Wait(2100);
    const Tokens problem = Text(60, 200);
    struct Beam {
      Tokens path;
      int32_t judged;
    };
    std::vector<Beam> beams = {{problem, -1}};
    for (int depth = 0; depth < 3; depth++) {
      std::vector<Beam> next;
      int32_t last_judged = -1;
      for (const Beam& beam : beams) {
        for (int way = 0; way < 4; way++) {
          const Tokens thought = Text(40, 120);
          const int32_t proposed =
              Add(trace, {propose + beam.path, thought, beam.judged, beam.judged < 0 ? now : 0});
          last_judged = Add(trace, {judge + beam.path + thought, Text(2, 6), proposed, 0});
          if (way < 1 || (beams.size() == 1 && way < 2)) next.push_back({beam.path + thought, 0});
        }
      }
      for (Beam& beam : next) beam.judged = last_judged;
      beams = std::move(next);
    }
  }
  return trace;
}

/// Documents of many kinds, each kind with its instructions and schema first; some are sent again.
Trace Maker::Extraction() {
  Trace trace{"extraction", {}};
  const Tokens instructions = Text(100, 150);
  const auto schemas = Texts(40, 100, 900);
  double now = 0;
  for (int32_t i = 0; i < Scaled(1500); i++) {
    now += Wait(320);
    const Tokens prompt = instructions + Popular(schemas) + Text(80, 700);
    const Tokens value = Text(30, 160);
    const int32_t sent = Add(trace, {prompt, value, -1, now});
    if (Chance(0.08)) Add(trace, {prompt, value, sent, Wait(10000)});
  }
  return trace;
}

/// Agents that call tools and read what these give; a third hand a part to an agent of another
/// kind.
Trace Maker::Agents() {
  Trace trace{"agents", {}};
  const auto kinds = Texts(8, 500, 2000);
  double now = 0;
  const auto run = [&](const Tokens& kind, int32_t after, double delay, int32_t steps) {
    Tokens history = kind + Text(40, 200);
    int32_t last = after;
    for (int32_t step = 0; step < steps; step++) {
      const Tokens action = Text(20, 100);
      last = Add(trace, {history, action, last, step == 0 ? delay : Wait(2500)});
      history = history + action + Text(30, 400);
    }
    return last;
  };
  for (int32_t i = 0; i < Scaled(140); i++) {
    now += Wait(2600);
    const int32_t steps = Between(3, 16);
    const int32_t last = run(Popular(kinds), -1, now, steps);
    if (Chance(0.33)) run(Popular(kinds), last, 0, Between(2, 6));
  }
  return trace;
}

}  // namespace

std::vector<Trace> MakeTraces(uint64_t seed, double scale) {
  Maker maker(seed, scale);
  std::vector<Trace> traces;
  traces.push_back(maker.FewShot());
  traces.push_back(maker.Chat());
  traces.push_back(maker.TreeOfThought());
  traces.push_back(maker.Extraction());
  traces.push_back(maker.Agents());
  return traces;
}

}  // namespace diecast::radix
