// The Tokenizer: added tokens first, then pre-tokens, then merges.
#include <algorithm>

#include "native/error.h"
#include "native/tokenizer/nfc.h"
#include "native/tokenizer/tokenizer_spec.h"

namespace diecast {
namespace {

/// FNV-1a, 64 bits.
class Fingerprint {
 public:
  void AddBytes(std::string_view bytes) {
    AddNumber(bytes.size());
    for (const char c : bytes) Step(static_cast<uint8_t>(c));
  }
  void AddNumber(uint64_t value) {
    for (int i = 0; i < 8; ++i) Step(static_cast<uint8_t>(value >> (8 * i)));
  }
  uint64_t value() const { return hash_; }

 private:
  void Step(uint8_t byte) { hash_ = (hash_ ^ byte) * 0x100000001b3u; }
  uint64_t hash_ = 0xcbf29ce484222325u;
};

uint64_t FingerprintOf(const TokenizerSpec& spec) {
  Fingerprint print;
  print.AddNumber(spec.tokens.size());
  for (const auto& token : spec.tokens) {
    print.AddBytes(token.bytes);
    print.AddNumber(static_cast<uint64_t>(token.special) | static_cast<uint64_t>(token.in_model)
                                                               << 1);
  }
  print.AddNumber(spec.added.size());
  for (const AddedToken& token : spec.added) {
    print.AddBytes(token.content);
    print.AddNumber(static_cast<uint64_t>(token.id));
    print.AddNumber(static_cast<uint64_t>(token.special) |
                    static_cast<uint64_t>(token.single_word) << 1 |
                    static_cast<uint64_t>(token.strip_left) << 2 |
                    static_cast<uint64_t>(token.strip_right) << 3 |
                    static_cast<uint64_t>(token.normalized) << 4);
  }
  print.AddNumber(spec.merges.size());
  for (const BpeMerge& merge : spec.merges) {
    print.AddNumber(uint64_t{static_cast<uint32_t>(merge.left)} << 32 |
                    static_cast<uint32_t>(merge.right));
  }
  print.AddNumber(static_cast<uint64_t>(spec.pretokenizer));
  print.AddNumber(static_cast<uint64_t>(spec.ignore_merges) |
                  static_cast<uint64_t>(spec.normalize_nfc) << 1);
  print.AddNumber(static_cast<uint64_t>(spec.adds_bos));
  print.AddNumber(static_cast<uint64_t>(static_cast<int64_t>(spec.bos_id)));
  for (const int32_t id : spec.eos_ids) print.AddNumber(static_cast<uint64_t>(id));
  return print.value();
}

/// All tokens' bytes in one buffer.
class TokenBytesTable {
 public:
  explicit TokenBytesTable(const std::vector<TokenizerSpec::Token>& tokens) {
    size_t total = 0;
    for (const auto& token : tokens) total += token.bytes.size();
    blob_.reserve(total);
    views_.reserve(tokens.size());
    for (const auto& token : tokens) {
      views_.emplace_back(blob_.data() + blob_.size(), token.bytes.size());
      blob_.insert(blob_.end(), token.bytes.begin(), token.bytes.end());
    }
  }
  std::span<const std::string_view> views() const { return views_; }

 private:
  std::vector<char> blob_;  // never grows after construction: the views point into it
  std::vector<std::string_view> views_;
};

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(TokenizerSpec spec)
      : fingerprint_(FingerprintOf(spec)),
        bytes_(spec.tokens),
        special_(spec.tokens.size()),
        by_text_(spec.tokens.size()),
        model_(ModelIndex(spec), spec.merges, bytes_.views(), spec.ignore_merges),
        raw_added_(Select(spec.added, false)),
        normalized_added_(Select(spec.added, true)),
        pretokenizer_(spec.pretokenizer),
        normalize_nfc_(spec.normalize_nfc),
        bos_id_(spec.bos_id),
        adds_bos_(spec.adds_bos),
        eos_ids_(std::move(spec.eos_ids)),
        chat_template_(std::move(spec.chat_template)) {
    for (size_t id = 0; id < spec.tokens.size(); ++id) {
      special_[id] = spec.tokens[id].special ? 1 : 0;
      const std::string_view text = bytes_.views()[id];
      if (!text.empty()) by_text_.Insert(text, static_cast<int32_t>(id));
    }
  }

  int32_t vocab_size() const override { return static_cast<int32_t>(special_.size()); }
  std::string_view TokenBytes(int32_t id) const override { return bytes_.views()[Checked(id)]; }
  bool IsSpecial(int32_t id) const override { return special_[Checked(id)] != 0; }
  int32_t TokenId(std::string_view bytes) const override { return by_text_.Find(bytes); }

  std::vector<int32_t> Encode(std::string_view text, bool parse_special) const override {
    std::vector<int32_t> ids;
    ids.reserve(text.size() / 3 + 8);
    ForEachPiece(raw_added_, text, parse_special, &ids, [&](std::string_view raw) {
      if (normalize_nfc_ && !IsPlainNfc(raw)) {
        const std::string normalized = NormalizeNfc(raw);
        EncodeNormalized(normalized, parse_special, &ids);
      } else {
        EncodeNormalized(raw, parse_special, &ids);
      }
    });
    return ids;
  }

  std::string Decode(std::span<const int32_t> ids, bool skip_special) const override {
    std::string text;
    for (const int32_t id : ids) {
      if (!(skip_special && IsSpecial(id))) text += TokenBytes(id);
    }
    return text;
  }

  int32_t bos_id() const override { return bos_id_; }
  bool adds_bos() const override { return adds_bos_; }
  std::span<const int32_t> eos_ids() const override { return eos_ids_; }
  std::string_view chat_template() const override { return chat_template_; }
  uint64_t fingerprint() const override { return fingerprint_; }

 private:
  size_t Checked(int32_t id) const {
    if (id < 0 || static_cast<size_t>(id) >= special_.size()) {
      throw Error(ErrorCode::kInvalidArgument, "token id " + std::to_string(id) +
                                                   " is outside of the vocabulary of " +
                                                   std::to_string(special_.size()));
    }
    return static_cast<size_t>(id);
  }

  /// Needs bytes_, which is declared before model_.
  BytesIndex ModelIndex(const TokenizerSpec& spec) const {
    BytesIndex index(spec.tokens.size());
    for (size_t id = 0; id < spec.tokens.size(); ++id) {
      if (spec.tokens[id].in_model) index.Insert(bytes_.views()[id], static_cast<int32_t>(id));
    }
    return index;
  }

  static std::vector<AddedToken> Select(const std::vector<AddedToken>& added, bool normalized) {
    std::vector<AddedToken> selected;
    std::copy_if(added.begin(), added.end(), std::back_inserter(selected),
                 [&](const AddedToken& token) { return token.normalized == normalized; });
    return selected;
  }

  /// Appends the ids of added tokens and calls `plain` with the text between them, in order.
  template <typename Plain>
  static void ForEachPiece(const AddedTokenMatcher& added, std::string_view text,
                           bool parse_special, std::vector<int32_t>* ids, Plain&& plain) {
    size_t position = 0;
    AddedTokenMatcher::Match match{};
    while (added.Find(text, match.content_end, position, parse_special, &match)) {
      if (position < match.start) plain(text.substr(position, match.start - position));
      ids->push_back(match.id);
      position = match.end;
    }
    if (position < text.size()) plain(text.substr(position));
  }

  void EncodeNormalized(std::string_view text, bool parse_special,
                        std::vector<int32_t>* ids) const {
    ForEachPiece(normalized_added_, text, parse_special, ids, [&](std::string_view plain) {
      PretokenScanner scanner(pretokenizer_, plain);
      std::string_view pretoken;
      while (scanner.Next(&pretoken)) model_.Encode(pretoken, ids);
    });
  }

  uint64_t fingerprint_;
  TokenBytesTable bytes_;
  std::vector<uint8_t> special_;
  BytesIndex by_text_;
  BpeModel model_;
  AddedTokenMatcher raw_added_;
  AddedTokenMatcher normalized_added_;
  PretokenizerKind pretokenizer_;
  bool normalize_nfc_;
  int32_t bos_id_;
  bool adds_bos_;
  std::vector<int32_t> eos_ids_;
  std::string chat_template_;
};

}  // namespace

std::shared_ptr<const Tokenizer> BuildBpeTokenizer(TokenizerSpec spec) {
  return std::make_shared<const BpeTokenizer>(std::move(spec));
}

}  // namespace diecast
