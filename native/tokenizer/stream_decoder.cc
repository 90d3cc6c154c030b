// Holds back the bytes of an unfinished character; everything else goes out as valid UTF-8.
#include "native/tokenizer/tokenizer.h"
#include "native/tokenizer/utf8.h"

namespace diecast {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

}  // namespace

StreamDecoder::StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special)
    : tokenizer_(std::move(tokenizer)), skip_special_(skip_special) {}

std::string StreamDecoder::Push(int32_t id) {
  const std::string_view bytes = tokenizer_->TokenBytes(id);
  if (skip_special_ && tokenizer_->IsSpecial(id)) return {};
  pending_ += bytes;
  std::string text;
  size_t pos = 0;
  while (pos < pending_.size()) {
    const Utf8Char c = DecodeUtf8(pending_, pos);
    if (c.kind == Utf8Char::kIncomplete) break;
    if (c.kind == Utf8Char::kValid) {
      text.append(pending_, pos, c.length);
    } else {
      text += kReplacement;
    }
    pos += c.length;
  }
  pending_.erase(0, pos);
  return text;
}

std::string StreamDecoder::Flush() {
  const bool unfinished = !pending_.empty();
  pending_.clear();
  return unfinished ? std::string(kReplacement) : std::string();
}

}  // namespace diecast
