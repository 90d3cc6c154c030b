// Which slots of a KV pool are free, by pages of 32. A sequence goes on in the slot after its last
// one, else in a page that nobody has: so what attention reads of a head lies side by side however
// many sequences grow at once. No page is kept for anyone, and the last free slot can be had.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace diecast {

class SlotPages {
 public:
  static constexpr int32_t kPageSlots = 32;

  explicit SlotPages(int32_t num_slots);

  int32_t num_free() const { return num_free_; }
  /// Takes a free slot, of which there must be one: the one after `last` if it can be had. -1 is
  /// before all slots.
  int32_t Take(int32_t last);
  void Free(int32_t slot);

 private:
  /// Pages of one kind. One that is no longer of that kind stays until it comes up.
  struct Stack {
    std::vector<int32_t> pages;
    std::vector<bool> has;  ///< a bit a page

    void Add(int32_t page);
  };

  uint32_t& free_of(int32_t slot) { return free_[static_cast<size_t>(slot / kPageSlots)]; }
  bool IsWhole(int32_t page) const;
  bool IsPartial(int32_t page) const;
  int32_t Choose(int32_t last);

  const int32_t num_slots_;
  int32_t num_free_;
  std::vector<uint32_t> free_;  ///< a bit a slot, a word a page
  Stack whole_;                 ///< pages that nobody has
  Stack partial_;               ///< others with a free slot
};

}  // namespace diecast
