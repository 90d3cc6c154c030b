// A small strict JSON reader for tokenizer.json: RFC 8259, UTF-8 checked, lone surrogates refused,
// depth bounded. The whole document becomes one flat node array and one text buffer, because a
// vocabulary has hundreds of thousands of small values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace diecast {

class JsonValue;

/// Immutable after Parse.
class JsonDocument {
 public:
  /// Throws Error{kModelInvalid} with the byte offset.
  static JsonDocument Parse(std::string_view text);
  JsonValue root() const;

 private:
  friend class JsonParser;
  friend class JsonValue;
  enum class Type : uint8_t { kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };
  static constexpr uint32_t kNone = ~uint32_t{0};
  struct Node {
    Type type = Type::kNull;
    uint32_t key_begin = 0, key_length = 0;    ///< in text_, of an object's member
    uint32_t text_begin = 0, text_length = 0;  ///< in text_, of a string or a number
    uint32_t first_child = kNone;
    uint32_t next = kNone;
    uint32_t source = 0;  ///< byte offset in the document
  };

  std::vector<Node> nodes_;
  std::string text_;
};

/// A handle on one value. Owner: the document must outlive it.
/// Wrong types throw Error{kModelInvalid} naming the value's path-like `field` argument and its
/// byte offset.
class JsonValue {
 public:
  bool is_null() const;
  bool is_true() const;
  bool is_string() const;
  bool is_array() const;
  bool is_object() const;
  std::string_view AsString(std::string_view field) const;
  bool AsBool(std::string_view field) const;
  int64_t AsInteger(std::string_view field) const;
  double AsNumber(std::string_view field) const;

  /// An object's member; nullopt when it is missing. A member that occurs twice throws.
  std::optional<JsonValue> Find(std::string_view key, std::string_view field) const;
  /// As Find, with a JSON null counting as missing.
  std::optional<JsonValue> FindPresent(std::string_view key, std::string_view field) const;
  /// As Find, but a missing member throws.
  JsonValue Get(std::string_view key, std::string_view field) const;

  /// Children of an array or object: `for (auto child = value.First(); child; child =
  /// child->Next())`.
  std::optional<JsonValue> First(std::string_view field) const;
  std::optional<JsonValue> Next() const;
  /// The member name of an object's child.
  std::string_view key() const;

  /// Throws Error{kModelInvalid}: "tokenizer.json: <field> at byte <offset>: <problem>".
  [[noreturn]] void Fail(std::string_view field, const std::string& problem) const;

 private:
  friend class JsonDocument;
  JsonValue(const JsonDocument* document, uint32_t index) : document_(document), index_(index) {}
  const JsonDocument::Node& node() const { return document_->nodes_[index_]; }

  const JsonDocument* document_;
  uint32_t index_;
};

}  // namespace diecast
