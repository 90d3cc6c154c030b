#include "native/matcher/registers.h"

#include <bit>

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
  InternRecord({});
  texts_.push_back({0, 0, 0});           // kNoText
  texts_.push_back({kEmptyText, 0, 0});  // kEmptyText
}

uint32_t RegisterStore::InternRecord(const Record& record) {
  uint64_t hash = record.count;
  for (const uint64_t w : record.slots) hash = HashMix(hash, w);
  hash = HashMix(hash, record.slots.size());
  for (const uint32_t v : record.values) hash = HashMix(hash, v);
  const uint32_t found =
      record_table_.Find(hash, [&](uint32_t id) { return records_[id] == record; });
  if (found != InternTable::kNone) return found;
  const auto id = static_cast<uint32_t>(records_.size());
  if (id >= kMaxRecords)
    throw Error(ErrorCode::kGrammarTooLarge, "a grammar's memory of keys and items is full");
  records_.push_back(record);
  record_table_.Add(hash);
  record_bytes_ += sizeof(Record) + record.slots.size() * 8 + record.values.size() * 4;
  return id;
}

uint32_t RegisterStore::WithCount(uint32_t id) {
  Record next = records_[id];
  ++next.count;
  return InternRecord(next);
}

uint32_t RegisterStore::WithValue(uint32_t id, uint32_t text) {
  Record next = records_[id];
  next.values.insert(std::lower_bound(next.values.begin(), next.values.end(), text), text);
  return InternRecord(next);
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

std::string RegisterStore::Text(uint32_t text) const {
  std::string bytes(texts_[text].length, '\0');
  for (uint32_t t = text; t > kEmptyText; t = texts_[t].parent) {
    bytes[texts_[t].length - 1] = static_cast<char>(texts_[t].byte);
  }
  return bytes;
}

uint32_t RegisterStore::InternText(std::string_view bytes) {
  uint32_t text = kEmptyText;
  for (const char c : bytes) text = Append(text, static_cast<uint8_t>(c));
  return text;
}

uint32_t RegisterStore::Since(uint32_t text, uint32_t start) {
  return start == kEmptyText
             ? text
             : InternText(std::string_view(Text(text)).substr(texts_[start].length));
}

bool RegisterStore::IsPrefix(uint32_t prefix, uint32_t text) const {
  while (texts_[text].length > texts_[prefix].length) text = texts_[text].parent;
  return text == prefix;
}

size_t RegisterStore::memory_bytes() const {
  return record_bytes_ + record_table_.memory_bytes() + texts_.capacity() * sizeof(TextLink) +
         text_table_.memory_bytes();
}

}  // namespace diecast
