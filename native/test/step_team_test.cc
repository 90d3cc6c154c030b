// Tests the threads inside a step: work is dealt out once and completely, however it is cut, and
// a barrier's serial job is seen by all.
#include "native/backend/cpu/step_team.h"

#include <atomic>
#include <random>
#include <vector>

#include "native/backend/cpu/thread_pool.h"
#include "native/test/check.h"

namespace {

using namespace diecast;

// Phases with random counts and pieces: each item exactly once, no piece too long.
void TestEveryItemOnce(int num_threads, std::mt19937& random) {
  constexpr int kPhases = 40;
  struct Phase {
    int count, piece;
    std::vector<int> done;  // each written by the one thread that got the item
    int serial = 0;
  };
  std::vector<Phase> phases(kPhases);
  for (Phase& phase : phases) {
    phase.count = static_cast<int>(random() % 70);
    phase.piece = 1 + static_cast<int>(random() % 9);
    phase.done.assign(static_cast<size_t>(phase.count), 0);
  }
  ThreadPool pool(num_threads);
  StepTeam team(num_threads);
  std::atomic<int> idle_calls{0};
  pool.Run([&](int thread) {
    StepTeam::Member member(team, thread);
    for (Phase& phase : phases) {
      member.ForPieces(phase.count, phase.piece, [&](int begin, int end) {
        CHECK(begin < end && end <= phase.count && end - begin <= phase.piece);
        CHECK(begin % phase.piece == 0);
        for (int i = begin; i < end; ++i) ++phase.done[static_cast<size_t>(i)];
      });
      member.Sync(
          [&] {
            for (const int times : phase.done) CHECK(times == 1);
            ++phase.serial;
          },
          [&](int i) {
            ++idle_calls;
            return i < 3;
          });
      CHECK(phase.serial == 1);
    }
  });
  CHECK(idle_calls.load() <= 4 * kPhases * num_threads);
}

// Ranges follow on one another and begin at a piece's beginning.
void TestRanges() {
  for (const int num_threads : {1, 2, 3, 7}) {
    StepTeam team(num_threads);
    for (const int count : {0, 1, 5, 36, 60}) {
      int last = 0;
      for (int thread = 0; thread < num_threads; ++thread) {
        const int begin = StepTeam::Member(team, thread).RangeBegin(count, 2);
        CHECK(begin >= last && begin <= count && (begin % 2 == 0 || begin == count));
        CHECK(thread != 0 || begin == 0);
        last = begin;
      }
    }
  }
}

}  // namespace

int main() {
  std::mt19937 random(17);
  for (const int num_threads : {1, 2, 3, 5}) TestEveryItemOnce(num_threads, random);
  TestRanges();
}
