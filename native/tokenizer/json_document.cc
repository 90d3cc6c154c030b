// Recursive-descent parser (depth-bounded) and the typed accessors.
#include "native/tokenizer/json_document.h"

#include <charconv>

#include "native/error.h"
#include "native/tokenizer/utf8.h"

namespace diecast {
namespace {

constexpr int kMaxDepth = 64;
/// Positions are 32-bit; real files have tens of megabytes.
constexpr size_t kMaxBytes = size_t{512} << 20;

[[noreturn]] void FailAt(std::string_view field, size_t offset, const std::string& problem) {
  throw Error(ErrorCode::kModelInvalid, "tokenizer.json: " + std::string(field) + " at byte " +
                                            std::to_string(offset) + ": " + problem);
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

class JsonParser {
 public:
  JsonParser(std::string_view text, JsonDocument* document) : text_(text), document_(document) {}

  void ParseDocument() {
    SkipSpace();
    ParseValue(0);
    SkipSpace();
    if (pos_ != text_.size()) Fail("text after the end of the document");
  }

 private:
  using Node = JsonDocument::Node;
  using Type = JsonDocument::Type;

  [[noreturn]] void Fail(const std::string& problem) const { FailAt("JSON", pos_, problem); }
  bool AtEnd() const { return pos_ == text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[pos_]; }

  void SkipSpace() {
    while (!AtEnd() && (text_[pos_] == ' ' || text_[pos_] == '\n' || text_[pos_] == '\r' ||
                        text_[pos_] == '\t')) {
      ++pos_;
    }
  }

  void Expect(std::string_view literal) {
    if (text_.substr(pos_, literal.size()) != literal) {
      Fail("expected " + std::string(literal));
    }
    pos_ += literal.size();
  }

  /// Returns the new node's index.
  uint32_t ParseValue(int depth) {
    if (depth > kMaxDepth) Fail("nested deeper than " + std::to_string(kMaxDepth));
    const auto index = static_cast<uint32_t>(document_->nodes_.size());
    document_->nodes_.emplace_back().source = static_cast<uint32_t>(pos_);
    switch (Peek()) {
      case '{':
        ParseChildren(index, Type::kObject, '}', depth);
        break;
      case '[':
        ParseChildren(index, Type::kArray, ']', depth);
        break;
      case '"': {
        const auto [begin, length] = ParseString();
        SetText(index, Type::kString, begin, length);
        break;
      }
      case 't':
        Expect("true");
        document_->nodes_[index].type = Type::kTrue;
        break;
      case 'f':
        Expect("false");
        document_->nodes_[index].type = Type::kFalse;
        break;
      case 'n':
        Expect("null");
        break;
      default:
        ParseNumber(index);
    }
    return index;
  }

  void SetText(uint32_t index, Type type, uint32_t begin, uint32_t length) {
    Node& node = document_->nodes_[index];
    node.type = type;
    node.text_begin = begin;
    node.text_length = length;
  }

  void ParseChildren(uint32_t parent, Type type, char close, int depth) {
    document_->nodes_[parent].type = type;
    ++pos_;
    SkipSpace();
    if (Peek() == close) {
      ++pos_;
      return;
    }
    uint32_t previous = JsonDocument::kNone;
    while (true) {
      std::pair<uint32_t, uint32_t> key{0, 0};
      if (type == Type::kObject) {
        if (Peek() != '"') Fail("expected a member name");
        key = ParseString();
        SkipSpace();
        Expect(":");
        SkipSpace();
      }
      const uint32_t child = ParseValue(depth + 1);
      document_->nodes_[child].key_begin = key.first;
      document_->nodes_[child].key_length = key.second;
      uint32_t& link = previous == JsonDocument::kNone ? document_->nodes_[parent].first_child
                                                       : document_->nodes_[previous].next;
      link = child;
      previous = child;
      SkipSpace();
      if (Peek() == close) break;
      Expect(",");
      SkipSpace();
    }
    ++pos_;
  }

  void ParseNumber(uint32_t index) {
    const size_t start = pos_;
    if (Peek() == '-') ++pos_;
    if (!IsDigit(Peek())) Fail(AtEnd() ? "the document ends too early" : "expected a value");
    if (Peek() == '0') {
      ++pos_;
    } else {
      SkipDigits();
    }
    if (Peek() == '.') {
      ++pos_;
      if (!IsDigit(Peek())) Fail("expected a digit");
      SkipDigits();
    }
    if (Peek() == 'e' || Peek() == 'E') {
      ++pos_;
      if (Peek() == '+' || Peek() == '-') ++pos_;
      if (!IsDigit(Peek())) Fail("expected a digit");
      SkipDigits();
    }
    const auto begin = static_cast<uint32_t>(document_->text_.size());
    document_->text_ += text_.substr(start, pos_ - start);
    SetText(index, Type::kNumber, begin, static_cast<uint32_t>(pos_ - start));
  }

  void SkipDigits() {
    while (IsDigit(Peek())) ++pos_;
  }

  /// Position and length of the unescaped text in the document's buffer.
  std::pair<uint32_t, uint32_t> ParseString() {
    std::string& out = document_->text_;
    const size_t begin = out.size();
    ++pos_;
    while (true) {
      if (AtEnd()) Fail("a string does not end");
      const char c = text_[pos_];
      if (c == '"') break;
      if (c == '\\') {
        ParseEscape();
      } else if (static_cast<uint8_t>(c) < 0x20) {
        Fail("a control character inside a string");
      } else {
        const Utf8Char decoded = DecodeUtf8(text_, pos_);
        if (decoded.kind != Utf8Char::kValid) Fail("the text is not UTF-8");
        out += text_.substr(pos_, decoded.length);
        pos_ += decoded.length;
      }
    }
    ++pos_;
    return {static_cast<uint32_t>(begin), static_cast<uint32_t>(out.size() - begin)};
  }

  void ParseEscape() {
    ++pos_;
    std::string& out = document_->text_;
    constexpr std::string_view kEscapes = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (Peek() == 'u') {
      uint32_t unit = ParseHex4();
      if (unit >= 0xdc00 && unit <= 0xdfff) Fail("a low surrogate without a high one");
      if (unit >= 0xd800 && unit <= 0xdbff) {
        if (text_.substr(pos_, 2) != "\\u") Fail("a high surrogate without a low one");
        ++pos_;
        const uint32_t low = ParseHex4();
        if (low < 0xdc00 || low > 0xdfff) Fail("a high surrogate without a low one");
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
      }
      AppendUtf8(unit, &out);
      return;
    }
    const size_t i = AtEnd() ? std::string_view::npos : kEscapes.find(text_[pos_]);
    if (i == std::string_view::npos) Fail("an unknown escape");
    out.push_back(kMeanings[i]);
    ++pos_;
  }

  /// At the 'u' of an escape.
  uint32_t ParseHex4() {
    ++pos_;
    uint32_t value = 0;
    if (text_.size() - pos_ < 4) Fail("a \\u escape needs four hexadecimal digits");
    const char* first = text_.data() + pos_;
    const auto [end, error] = std::from_chars(first, first + 4, value, 16);
    if (error != std::errc() || end != first + 4) {
      Fail("a \\u escape needs four hexadecimal digits");
    }
    pos_ += 4;
    return value;
  }

  std::string_view text_;
  size_t pos_ = 0;
  JsonDocument* document_;
};

JsonDocument JsonDocument::Parse(std::string_view text) {
  if (text.size() > kMaxBytes) {
    FailAt("JSON", 0,
           "the document has " + std::to_string(text.size()) + " bytes; the limit is " +
               std::to_string(kMaxBytes));
  }
  JsonDocument document;
  JsonParser(text, &document).ParseDocument();
  return document;
}

JsonValue JsonDocument::root() const { return JsonValue(this, 0); }

bool JsonValue::is_null() const { return node().type == JsonDocument::Type::kNull; }
bool JsonValue::is_true() const { return node().type == JsonDocument::Type::kTrue; }
bool JsonValue::is_string() const { return node().type == JsonDocument::Type::kString; }
bool JsonValue::is_array() const { return node().type == JsonDocument::Type::kArray; }
bool JsonValue::is_object() const { return node().type == JsonDocument::Type::kObject; }

std::string_view JsonValue::AsString(std::string_view field) const {
  if (!is_string()) Fail(field, "expected a string");
  return std::string_view(document_->text_).substr(node().text_begin, node().text_length);
}

bool JsonValue::AsBool(std::string_view field) const {
  if (node().type == JsonDocument::Type::kTrue) return true;
  if (node().type != JsonDocument::Type::kFalse) Fail(field, "expected true or false");
  return false;
}

int64_t JsonValue::AsInteger(std::string_view field) const {
  int64_t value = 0;
  if (node().type == JsonDocument::Type::kNumber) {
    const char* first = document_->text_.data() + node().text_begin;
    const char* last = first + node().text_length;
    const auto [end, error] = std::from_chars(first, last, value);
    if (error == std::errc() && end == last) return value;
  }
  Fail(field, "expected an integer");
}

double JsonValue::AsNumber(std::string_view field) const {
  double value = 0;
  if (node().type == JsonDocument::Type::kNumber) {
    const char* first = document_->text_.data() + node().text_begin;
    const char* last = first + node().text_length;
    const auto [end, error] = std::from_chars(first, last, value);
    if (error == std::errc() && end == last) return value;
  }
  Fail(field, "expected a number");
}

std::optional<JsonValue> JsonValue::Find(std::string_view key, std::string_view field) const {
  if (!is_object()) Fail(field, "expected an object");
  std::optional<JsonValue> found;
  for (auto child = First(field); child; child = child->Next()) {
    if (child->key() != key) continue;
    if (found) child->Fail(field, "member " + std::string(key) + " occurs twice");
    found = child;
  }
  return found;
}

std::optional<JsonValue> JsonValue::FindPresent(std::string_view key,
                                                std::string_view field) const {
  const auto found = Find(key, field);
  return found && !found->is_null() ? found : std::nullopt;
}

JsonValue JsonValue::Get(std::string_view key, std::string_view field) const {
  const auto found = Find(key, field);
  if (!found) Fail(field, "member " + std::string(key) + " is missing");
  return *found;
}

std::optional<JsonValue> JsonValue::First(std::string_view field) const {
  if (!is_array() && !is_object()) Fail(field, "expected an array or an object");
  if (node().first_child == JsonDocument::kNone) return std::nullopt;
  return JsonValue(document_, node().first_child);
}

std::optional<JsonValue> JsonValue::Next() const {
  if (node().next == JsonDocument::kNone) return std::nullopt;
  return JsonValue(document_, node().next);
}

std::string_view JsonValue::key() const {
  return std::string_view(document_->text_).substr(node().key_begin, node().key_length);
}

void JsonValue::Fail(std::string_view field, const std::string& problem) const {
  FailAt(field, node().source, problem);
}

}  // namespace diecast
