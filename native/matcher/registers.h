// What rules remember beside a counter: which slots were taken (keys of an object in any order,
// values of an enumeration without repeats) and which texts were seen (array items that must
// differ).
//
// Records and texts are interned, so that a member of a configuration carries two ids and stays
// comparable. A text is a chain of bytes, shared with every text that begins the same way; its id
// is its last link.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "native/matcher/intern_table.h"

namespace diecast {

/// Not thread-safe: belongs to a ConfigStore.
class RegisterStore {
 public:
  static constexpr uint32_t kEmptyRecord = 0;
  /// Ids of records stay below this.
  static constexpr uint32_t kMaxRecords = 1u << 20;
  static constexpr uint32_t kNoText = 0;     ///< nothing is being captured
  static constexpr uint32_t kEmptyText = 1;  ///< a capture that has just begun

  struct Record {
    uint32_t count = 0;            ///< entries so far
    std::vector<uint64_t> slots;   ///< bitset of taken slots, without trailing zero words
    std::vector<uint32_t> values;  ///< ids of seen texts, ascending
    bool operator==(const Record&) const = default;

    bool Taken(uint32_t slot) const {
      return slot / 64 < slots.size() && (slots[slot / 64] >> (slot % 64) & 1);
    }
    void Take(uint32_t slot) {
      if (slots.size() <= slot / 64) slots.resize(slot / 64 + 1);
      slots[slot / 64] |= 1ull << (slot % 64);
    }
    bool Seen(uint32_t text) const {
      return std::binary_search(values.begin(), values.end(), text);
    }
    /// How many of the slots [0, n) are taken.
    uint32_t TakenBelow(uint32_t n) const;
  };

  RegisterStore();

  const Record& record(uint32_t id) const { return records_[id]; }
  uint32_t InternRecord(const Record& record);
  uint32_t WithCount(uint32_t id);
  uint32_t WithValue(uint32_t id, uint32_t text);

  /// The text with one byte more.
  uint32_t Append(uint32_t text, uint8_t byte);
  std::string Text(uint32_t text) const;
  uint32_t InternText(std::string_view bytes);
  /// The part of `text` after its prefix `start`, as a text of its own.
  uint32_t Since(uint32_t text, uint32_t start);
  /// Whether `prefix` begins `text` (or equals it).
  bool IsPrefix(uint32_t prefix, uint32_t text) const;
  uint32_t Length(uint32_t text) const { return texts_[text].length; }

  size_t memory_bytes() const;

 private:
  struct TextLink {
    uint32_t parent;
    uint32_t length;
    uint8_t byte;
  };
  std::vector<Record> records_;
  InternTable record_table_;
  std::vector<TextLink> texts_;
  FlatMap text_table_;
  size_t record_bytes_ = 0;
};

}  // namespace diecast
