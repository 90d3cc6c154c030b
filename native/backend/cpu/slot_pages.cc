#include "native/backend/cpu/slot_pages.h"

#include <algorithm>
#include <bit>

namespace diecast {

SlotPages::SlotPages(int32_t num_slots) : num_slots_(num_slots), num_free_(num_slots) {
  const int32_t pages = (num_slots + kPageSlots - 1) / kPageSlots;
  free_.assign(static_cast<size_t>(pages), ~uint32_t{0});
  if (num_slots % kPageSlots != 0) free_.back() = (uint32_t{1} << num_slots % kPageSlots) - 1;
  for (Stack* stack : {&whole_, &partial_}) {
    stack->pages.reserve(free_.size());  // so that freeing allocates nothing
    stack->has.assign(free_.size(), false);
  }
  for (int32_t page = pages - 1; page >= 0; --page) (IsWhole(page) ? whole_ : partial_).Add(page);
}

void SlotPages::Stack::Add(int32_t page) {
  if (has[static_cast<size_t>(page)]) return;
  has[static_cast<size_t>(page)] = true;
  pages.push_back(page);
}

bool SlotPages::IsWhole(int32_t page) const {
  return free_[static_cast<size_t>(page)] == ~uint32_t{0};
}

bool SlotPages::IsPartial(int32_t page) const {
  return free_[static_cast<size_t>(page)] != 0 && !IsWhole(page);
}

int32_t SlotPages::Choose(int32_t last) {
  const int32_t next = last + 1;
  if (last >= 0 && next < num_slots_) {
    const bool is_free = (free_of(next) >> next % kPageSlots & 1) != 0;
    if (is_free && (next % kPageSlots != 0 || IsWhole(next / kPageSlots))) return next;
  }
  for (Stack* stack : {&whole_, &partial_}) {
    for (; !stack->pages.empty(); stack->pages.pop_back()) {
      const int32_t page = stack->pages.back();
      if (stack == &whole_ ? IsWhole(page) : IsPartial(page))
        return page * kPageSlots + std::countr_zero(free_[static_cast<size_t>(page)]);
      stack->has[static_cast<size_t>(page)] = false;
    }
  }
  return -1;
}

int32_t SlotPages::Take(int32_t last) {
  const int32_t slot = Choose(last);
  free_of(slot) &= ~(uint32_t{1} << slot % kPageSlots);
  if (free_of(slot) != 0) partial_.Add(slot / kPageSlots);
  --num_free_;
  return slot;
}

void SlotPages::Free(int32_t slot) {
  free_of(slot) |= uint32_t{1} << slot % kPageSlots;
  const int32_t page = slot / kPageSlots;
  (IsWhole(page) ? whole_ : partial_).Add(page);
  ++num_free_;
}

}  // namespace diecast
