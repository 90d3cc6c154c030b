// Tests where sequences get their slots: side by side while there is room, any free one after
// that, each to one owner.
#include "native/backend/cpu/slot_pages.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <vector>

#include "native/test/check.h"

namespace {

using diecast::SlotPages;
constexpr int32_t kPage = SlotPages::kPageSlots;

/// Slots of one owner, taken one by one.
struct Owner {
  std::vector<int32_t> slots;

  void Grow(SlotPages& pages, int32_t count) {
    for (int32_t i = 0; i < count; ++i)
      slots.push_back(pages.Take(slots.empty() ? -1 : slots.back()));
  }
  void Leave(SlotPages& pages) {
    for (const int32_t slot : slots) pages.Free(slot);
    slots.clear();
  }
  /// How often the next slot is not the one after.
  int32_t jumps() const {
    int32_t count = 0;
    for (size_t i = 1; i < slots.size(); ++i) count += slots[i] != slots[i - 1] + 1 ? 1 : 0;
    return count;
  }
};

void TestSequencesThatGrowAtOnceStayApart() {
  SlotPages pages(20 * kPage);
  std::vector<Owner> owners(4);
  for (Owner& owner : owners) owner.Grow(pages, 7);
  for (int32_t step = 7; step < 5 * kPage; ++step) {
    for (Owner& owner : owners) owner.Grow(pages, 1);
  }
  CHECK(pages.num_free() == 0);
  for (const Owner& owner : owners) CHECK(owner.jumps() <= 4);  // only from page to page
}

void TestAPageOfNobodyComesBeforeOneThatIsShared() {
  SlotPages pages(3 * kPage);
  Owner first, second, third, fourth, fifth;
  for (Owner* owner : {&first, &second, &third}) owner->Grow(pages, 1);
  CHECK(first.slots[0] == 0 && second.slots[0] == kPage && third.slots[0] == 2 * kPage);
  fourth.Grow(pages, 5);
  CHECK(fourth.slots[0] % kPage == 1 && fourth.jumps() == 0);
  for (Owner* owner : {&second, &third, &fourth}) owner->Leave(pages);
  fifth.Grow(pages, kPage);
  CHECK(fifth.slots[0] % kPage == 0 && fifth.jumps() == 0);
  first.Grow(pages, 3);
  CHECK(first.jumps() == 0);
}

void TestGoesOnInTheNextPageIfNobodyHasIt() {
  SlotPages pages(4 * kPage);
  Owner other, owner;
  other.Grow(pages, 3 * kPage);
  owner.Grow(pages, 1);
  owner.Leave(pages);
  other.Leave(pages);  // pages 0 to 2 came back after page 3
  owner.Grow(pages, 2 * kPage);
  CHECK(owner.slots[0] == 2 * kPage && owner.jumps() == 0);  // page 3, not page 1
}

void TestEverySlotHasOneOwner(std::mt19937& rng) {
  for (int round = 0; round < 200; ++round) {
    const auto num_slots = static_cast<int32_t>(1 + rng() % 200);
    SlotPages pages(num_slots);
    std::vector<Owner> owners(1 + rng() % 6);
    std::vector<bool> used(static_cast<size_t>(num_slots));
    int32_t num_used = 0;
    for (int step = 0; step < 300; ++step) {
      Owner& owner = owners[rng() % owners.size()];
      if (rng() % 8 == 0) {
        const size_t kept = owner.slots.empty() ? 0 : rng() % owner.slots.size();
        while (owner.slots.size() > kept) {
          used[static_cast<size_t>(owner.slots.back())] = false;
          pages.Free(owner.slots.back());
          owner.slots.pop_back();
          --num_used;
        }
      } else if (num_used < num_slots) {
        owner.Grow(pages, 1);
        const auto slot = static_cast<size_t>(owner.slots.back());
        CHECK(slot < used.size() && !used[slot]);
        used[slot] = true;
        ++num_used;
      }
      CHECK(pages.num_free() == num_slots - num_used);
    }
    Owner rest;
    rest.Grow(pages, pages.num_free());  // the last free slot can be had
    for (const int32_t slot : rest.slots) {
      CHECK(!used[static_cast<size_t>(slot)]);
      used[static_cast<size_t>(slot)] = true;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const uint32_t seed = diecast::test::SeedFrom(argc, argv);
  std::printf("slot_pages_test, seed %u\n", seed);
  std::mt19937 rng(seed);
  TestSequencesThatGrowAtOnceStayApart();
  TestAPageOfNobodyComesBeforeOneThatIsShared();
  TestGoesOnInTheNextPageIfNobodyHasIt();
  TestEverySlotHasOneOwner(rng);
  return 0;
}
