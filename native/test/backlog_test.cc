// Tests back-pressure: steps stop while the owner does not read, its commands are heard all the
// same, and what comes out in the end does not depend on it.
#include <chrono>
#include <functional>
#include <thread>

#include "native/test/engine_client.h"

namespace {

using namespace diecast;
using test::Ask;
using test::Client;

void Await(const std::function<bool()>& holds) {
  const auto begin = std::chrono::steady_clock::now();
  while (!holds()) {
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(60));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Request AskFor(int32_t id, int32_t max_tokens) {
  Request request = Ask(id, std::string(20, static_cast<char>('a' + id)));
  request.max_tokens = max_tokens;
  return request;
}

// A token is four bytes and here one letter.
constexpr int64_t kTokenBytes = 5;

void StepsStopWhileTheOwnerLagsAndGoOnAfterwards() {
  Client keeping({.max_batch = 2}, test::OnlyLetters);
  for (const int32_t id : {1, 2, 3}) keeping.engine().Submit(AskFor(id, 100));
  keeping.Wait(3);
  CHECK(keeping.engine().stats().backlog_waits == 0);

  Client lagging({.max_batch = 2, .max_backlog_bytes = 40 * kTokenBytes}, test::OnlyLetters);
  Engine& engine = lagging.engine();
  for (const int32_t id : {1, 2}) engine.Submit(AskFor(id, 100));
  Await([&] { return engine.stats().backlog_waits > 0; });
  const size_t num_steps = lagging.model().steps().size();
  CHECK(num_steps >= 20 && num_steps <= 41);  // two in each, or one after the other
  const int64_t num_tokens = engine.stats().sampled_tokens;
  CHECK(num_tokens >= 40 && num_tokens <= 41 && engine.stats().running == 2);
  // Every kind of command: each is done at once, and none takes a step.
  engine.Submit(AskFor(3, 100));
  Await([&] { return engine.stats().waiting == 1; });
  engine.FlushCache();
  engine.Cancel(2);
  Await([&] { return engine.stats().cancelled == 1; });
  engine.Submit(AskFor(4, 100));
  engine.Cancel(4);
  Await([&] { return engine.stats().cancelled == 2; });
  CHECK(lagging.model().steps().size() == num_steps && engine.stats().running == 1);
  CHECK(engine.stats().backlog_waits == 1);
  // Read once, it goes on for as long again.
  lagging.Read();
  Await([&] { return engine.stats().backlog_waits == 2; });
  CHECK(lagging.model().steps().size() > num_steps);
  lagging.Wait(4);
  for (const int32_t id : {1, 3}) {
    CHECK(lagging[id].finish.reason == FinishReason::kLength);
    CHECK(lagging[id].tokens == keeping[id].tokens && lagging[id].text == keeping[id].text);
  }
  CHECK(lagging[2].finish.reason == FinishReason::kCancelled && lagging[2].tokens.size() < 40);
  CHECK(std::equal(lagging[2].tokens.begin(), lagging[2].tokens.end(), keeping[2].tokens.begin()));
}

void WithoutWorkNothingIsPutOff() {
  Client client({.max_backlog_bytes = 10 * kTokenBytes}, test::OnlyLetters);
  Engine& engine = client.engine();
  engine.Submit(AskFor(1, 10));
  Await([&] { return engine.stats().finished == 1; });
  engine.FlushCache();
  engine.Submit(AskFor(2, 10));
  engine.Cancel(2);
  Await([&] { return engine.stats().cancelled + engine.stats().backlog_waits > 0; });
  client.Wait(2);
  client.RunOne(AskFor(3, 5));
  // The second one came while the owner lagged: its step may have been put off before its
  // cancelling came.
  CHECK(engine.stats().backlog_waits <= 1 && client[1].tokens.size() == 10);

  client.RunOne(AskFor(4, 10));
  const int64_t before = engine.stats().backlog_waits;
  for (int i = 0; i < 3; i++) {
    engine.FlushCache();
    client.RunOne(AskFor(5 + i, 5));
  }
  CHECK(engine.stats().backlog_waits == before);
}

void AnOwnerThatLagsCanStop() {
  Client client({.max_backlog_bytes = 1}, test::OnlyLetters);
  client.engine().Submit(AskFor(1, 100));
  client.engine().Submit(AskFor(2, 100));
  Await([&] { return client.engine().stats().backlog_waits > 0; });
  client.engine().Stop();
  client.Read();
  CHECK(client.num_finished() == 2 && client[1].finish.code == ErrorCode::kShutdown);
  CHECK_THROWS(Client({.max_backlog_bytes = 0}));
}

}  // namespace

int main() {
  StepsStopWhileTheOwnerLagsAndGoOnAfterwards();
  WithoutWorkNothingIsPutOff();
  AnOwnerThatLagsCanStop();
}
