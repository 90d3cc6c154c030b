// What rules remember beside a counter: which slots were taken (keys of an object in any order,
// values of an enumeration without repeats) and which texts were seen (array items that must
// differ).
//
// Records and texts are interned, so that a member of a configuration carries two ids and stays
// comparable. A text is a chain of bytes, shared with every text that begins the same way; its id
// is its last link. A text that has become a member of a record is a value, a string of its own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
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
    std::vector<uint32_t> values;  ///< ids of seen values, in the order of their strings
    uint32_t taken = 0;            ///< slots taken, kept by InternRecord
    uint32_t taken_required = 0;   ///< of them those that are required
    bool operator==(const Record& other) const {
      return count == other.count && slots == other.slots && values == other.values;
    }

    /// In entries, what copying it takes.
    size_t size() const { return slots.size() + values.size(); }
    bool Taken(uint32_t slot) const {
      return slot / 64 < slots.size() && (slots[slot / 64] >> (slot % 64) & 1);
    }
    void Take(uint32_t slot) {
      if (slots.size() <= slot / 64) slots.resize(slot / 64 + 1);
      slots[slot / 64] |= 1ull << (slot % 64);
    }
    /// How many of the slots [0, n) are taken.
    uint32_t TakenBelow(uint32_t n) const;
  };

  RegisterStore();

  const Record& record(uint32_t id) const { return records_[id]; }
  /// `required`: how many of the rule's slots must be taken.
  uint32_t InternRecord(Record record, uint32_t required);
  uint32_t WithCount(uint32_t id, uint32_t required);
  uint32_t WithValue(uint32_t id, std::string_view value, uint32_t required);

  /// Values of a record that start with `prefix`: a range, because they are in order.
  std::span<const uint32_t> StartingWith(uint32_t id, std::string_view prefix) const;
  bool Seen(uint32_t id, std::string_view value) const;
  const std::string& Value(uint32_t value) const { return *value_texts_[value]; }
  uint32_t InternValue(std::string_view value);

  /// The text with one byte more.
  uint32_t Append(uint32_t text, uint8_t byte);
  /// The text with one byte less, and that byte: of a text that is not empty.
  uint32_t Parent(uint32_t text) const { return texts_[text].parent; }
  uint8_t LastByte(uint32_t text) const { return texts_[text].byte; }
  /// The part of `text` after its prefix `start`.
  std::string Since(uint32_t text, uint32_t start) const;
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
  std::unordered_map<std::string, uint32_t> values_;
  std::vector<const std::string*> value_texts_;  // keys of values_, which stay where they are
  size_t record_bytes_ = 0;
};

}  // namespace diecast
