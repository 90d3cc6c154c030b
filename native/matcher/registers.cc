#include "native/matcher/registers.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "native/error.h"

namespace diecast {

uint32_t RegisterStore::Record::TakenBelow(uint32_t n) const {
  uint32_t taken = 0;
  for (size_t w = 0; w < slots.size() && w * 64 < n; ++w) {
    const uint64_t mask = n - w * 64 >= 64 ? ~0ull : (1ull << (n - w * 64)) - 1;
    taken += static_cast<uint32_t>(std::popcount(slots[w] & mask));
  }
  return taken;
}

RegisterStore::RegisterStore() {
  InternRecord({}, 0);
  texts_.push_back({0, 0, 0});           // kNoText
  texts_.push_back({kEmptyText, 0, 0});  // kEmptyText
}

uint32_t RegisterStore::InternRecord(Record record, uint32_t required) {
  uint64_t hash = record.count;
  for (const uint64_t w : record.slots) hash = HashMix(hash, w);
  hash = HashMix(hash, record.slots.size());
  for (const uint32_t v : record.values) hash = HashMix(hash, v);
  // Of two rules with different requirements only the empty record is shared.
  hash = HashMix(hash, record.slots.empty() ? 0 : required);
  record.taken_required = record.TakenBelow(required);
  const uint32_t found = record_table_.Find(hash, [&](uint32_t id) {
    return records_[id] == record && records_[id].taken_required == record.taken_required;
  });
  if (found != InternTable::kNone) return found;
  const auto id = static_cast<uint32_t>(records_.size());
  if (id >= kMaxRecords)
    throw Error(ErrorCode::kGrammarTooLarge, "a grammar's memory of keys and items is full");
  record.taken = record.TakenBelow(static_cast<uint32_t>(record.slots.size() * 64));
  record_bytes_ += sizeof(Record) + record.slots.size() * 8 + record.values.size() * 4;
  records_.push_back(std::move(record));
  record_table_.Add(hash);
  return id;
}

uint32_t RegisterStore::WithCount(uint32_t id, uint32_t required) {
  Record next = records_[id];
  ++next.count;
  return InternRecord(std::move(next), required);
}

uint32_t RegisterStore::WithValue(uint32_t id, std::string_view value, uint32_t required) {
  const uint32_t v = InternValue(value);
  Record next;
  const Record& record = records_[id];
  next.count = record.count;
  next.slots = record.slots;
  next.values.reserve(record.values.size() + 1);
  next.values = record.values;
  const auto place = std::lower_bound(next.values.begin(), next.values.end(), value,
                                      [&](uint32_t a, std::string_view b) { return Value(a) < b; });
  next.values.insert(place, v);
  return InternRecord(std::move(next), required);
}

std::span<const uint32_t> RegisterStore::StartingWith(uint32_t id, std::string_view prefix) const {
  const std::vector<uint32_t>& values = records_[id].values;
  const auto begin = std::lower_bound(values.begin(), values.end(), prefix,
                                      [&](uint32_t a, std::string_view b) { return Value(a) < b; });
  const auto end = std::partition_point(begin, values.end(),
                                        [&](uint32_t v) { return Value(v).starts_with(prefix); });
  return {begin, end};
}

bool RegisterStore::Seen(uint32_t id, std::string_view value) const {
  const auto range = StartingWith(id, value);  // the value itself is the first of them
  return !range.empty() && Value(range.front()).size() == value.size();
}

uint32_t RegisterStore::InternValue(std::string_view value) {
  const auto [it, added] = values_.emplace(value, static_cast<uint32_t>(value_texts_.size()));
  if (added) {
    value_texts_.push_back(&it->first);
    record_bytes_ += value.size() + 64;
  }
  return it->second;
}

uint32_t RegisterStore::Append(uint32_t text, uint8_t byte) {
  const uint64_t key = uint64_t{text} << 8 | byte;
  const uint32_t known = text_table_.Get(key);
  if (known != FlatMap::kNone) return known;
  const auto id = static_cast<uint32_t>(texts_.size());
  texts_.push_back({text, texts_[text].length + 1, byte});
  text_table_.Put(key, id);
  return id;
}

std::string RegisterStore::Since(uint32_t text, uint32_t start) const {
  const uint32_t from = texts_[start].length;
  std::string bytes(texts_[text].length - from, '\0');
  for (uint32_t t = text; texts_[t].length > from; t = texts_[t].parent) {
    bytes[texts_[t].length - from - 1] = static_cast<char>(texts_[t].byte);
  }
  return bytes;
}

size_t RegisterStore::memory_bytes() const {
  return record_bytes_ + record_table_.memory_bytes() + texts_.capacity() * sizeof(TextLink) +
         text_table_.memory_bytes();
}

}  // namespace diecast
