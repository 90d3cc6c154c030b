// The Tokenizer: added tokens first, then the normalizer, then pre-tokens, then the model.
#include <algorithm>
#include <bit>
#include <optional>

#include "native/error.h"
#include "native/tokenizer/tokenizer_spec.h"
#include "native/tokenizer/unigram_model.h"

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
    print.AddBytes(token.piece);
    print.AddNumber(static_cast<uint64_t>(token.special) |
                    static_cast<uint64_t>(token.in_model) << 1 |
                    static_cast<uint64_t>(token.is_byte) << 2);
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
    print.AddNumber(merge.rank);
  }
  for (const double score : spec.scores) print.AddNumber(std::bit_cast<uint64_t>(score));
  print.AddBytes(spec.steps_text);
  print.AddNumber(static_cast<uint64_t>(spec.model));
  print.AddNumber(static_cast<uint64_t>(spec.ignore_merges) |
                  static_cast<uint64_t>(spec.fuses_unknown) << 1 |
                  static_cast<uint64_t>(spec.byte_fallback) << 2);
  print.AddNumber(static_cast<uint64_t>(static_cast<int64_t>(spec.unknown_id)));
  print.AddNumber(static_cast<uint64_t>(spec.adds_bos));
  print.AddNumber(static_cast<uint64_t>(static_cast<int64_t>(spec.bos_id)));
  for (const int32_t id : spec.eos_ids) print.AddNumber(static_cast<uint64_t>(id));
  return print.value();
}

/// A text of every token in one buffer.
class TextTable {
 public:
  template <typename TextOf>
  TextTable(const std::vector<TokenizerSpec::Token>& tokens, TextOf&& text_of) {
    size_t total = 0;
    for (const auto& token : tokens) total += text_of(token).size();
    blob_.reserve(total);
    views_.reserve(tokens.size());
    for (const auto& token : tokens) {
      const std::string_view text = text_of(token);
      views_.emplace_back(blob_.data() + blob_.size(), text.size());
      blob_.insert(blob_.end(), text.begin(), text.end());
    }
  }
  std::span<const std::string_view> views() const { return views_; }

 private:
  std::vector<char> blob_;  // never grows after construction: the views point into it
  std::vector<std::string_view> views_;
};

class PipelineTokenizer final : public Tokenizer {
 public:
  explicit PipelineTokenizer(TokenizerSpec spec)
      : fingerprint_(FingerprintOf(spec)),
        bytes_(spec.tokens, [](const auto& token) -> std::string_view { return token.bytes; }),
        special_(spec.tokens.size()),
        by_text_(spec.tokens.size()),
        normalizer_(std::move(spec.normalizer)),
        pretokenizer_(std::move(spec.pretokenizer)),
        marks_spaces_(normalizer_.marks_spaces() || pretokenizer_.marks_spaces()),
        raw_added_(Select(spec.added, false)),
        normalized_added_(Select(spec.added, true)),
        reserved_(Reserved(spec)),
        bos_id_(spec.bos_id),
        adds_bos_(spec.adds_bos),
        eos_ids_(std::move(spec.eos_ids)),
        chat_template_(std::move(spec.chat_template)) {
    // A byte's token comes after a token of that text: it is the rarer spelling.
    for (const bool is_byte : {false, true}) {
      for (size_t id = 0; id < spec.tokens.size(); ++id) {
        const std::string_view text = bytes_.views()[id];
        if (spec.tokens[id].is_byte == is_byte && !text.empty()) {
          by_text_.Insert(text, static_cast<int32_t>(id));
        }
      }
    }
    fallback_.fill(-1);
    for (size_t id = 0; id < spec.tokens.size(); ++id) {
      special_[id] = spec.tokens[id].special ? 1 : 0;
      if (!spec.tokens[id].is_byte) continue;
      int32_t& fallback = fallback_[static_cast<uint8_t>(bytes_.views()[id][0])];
      if (fallback < 0) fallback = static_cast<int32_t>(id);
    }
    for (const AddedToken& token : spec.added) {
      if (!token.normalized) continue;
      const std::string text =
          marks_spaces_ ? ReplaceText(token.content, " ", kSpaceMark) : token.content;
      normalized_added_spell_ =
          normalized_added_spell_ && normalizer_.Apply(token.content, true) == text;
    }
    BuildModel(&spec);
  }

  int32_t vocab_size() const override { return static_cast<int32_t>(special_.size()); }
  std::string_view TokenBytes(int32_t id) const override { return bytes_.views()[Checked(id)]; }
  bool IsSpecial(int32_t id) const override { return special_[Checked(id)] != 0; }
  int32_t TokenId(std::string_view bytes) const override { return by_text_.Find(bytes); }

  std::vector<int32_t> Encode(std::string_view text, bool parse_special) const override {
    std::vector<int32_t> ids;
    ids.reserve(text.size() / 3 + 8);
    const Search search{parse_special, /*exact=*/true};
    const auto append = [&](std::string_view piece) {
      if (!normalized_added_spell_) return AppendSpelled(piece, &ids);
      ForEachPiece(normalized_added_, piece, search, &ids,
                   [&](std::string_view plain) { AppendSpelled(plain, &ids); });
    };
    ForEachPiece(raw_added_, text, search, &ids, [&](std::string_view raw) {
      if (!marks_spaces_) return append(raw);
      // A mark that stands in the text itself would be read as a space: its bytes are spelled.
      while (true) {
        const size_t mark = raw.find(kSpaceMark);
        append(ReplaceText(raw.substr(0, mark), " ", kSpaceMark));
        if (mark == std::string_view::npos) break;
        AppendBytes(kSpaceMark, &ids);
        raw.remove_prefix(mark + kSpaceMark.size());
      }
    });
    return ids;
  }

  std::vector<int32_t> EncodeDocument(std::string_view text, bool parse_special,
                                      bool continues) const override {
    std::vector<int32_t> ids;
    ids.reserve(text.size() / 3 + 8);
    const Search search{parse_special, /*exact=*/false};
    ForEachPiece(raw_added_, text, search, &ids, [&](std::string_view raw) {
      const bool is_start = raw.data() == text.data();
      const bool prepends = !(is_start && continues);
      std::string changed;
      std::string_view normalized = raw;
      if (!normalizer_.Keeps(raw)) normalized = changed = normalizer_.Apply(raw, prepends);
      ForEachPiece(normalized_added_, normalized, search, &ids, [&](std::string_view plain) {
        const bool starts = is_start && plain.data() == normalized.data();
        const Place start = continues ? Place::kMiddle : Place::kStart;
        AppendText(plain, starts ? start : Place::kLater, &ids);
      });
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
  using Place = PretokenizerSteps::Place;
  using Search = AddedTokenMatcher::Search;

  size_t Checked(int32_t id) const {
    if (id < 0 || static_cast<size_t>(id) >= special_.size()) {
      throw Error(ErrorCode::kInvalidArgument, "token id " + std::to_string(id) +
                                                   " is outside of the vocabulary of " +
                                                   std::to_string(special_.size()));
    }
    return static_cast<size_t>(id);
  }

  void BuildModel(TokenizerSpec* spec) {
    const bool by_bytes = spec->model == TokenizerSpec::Model::kByteBpe;
    if (!by_bytes) {
      keys_.emplace(spec->tokens, [](const auto& token) {
        return token.in_model ? token.key() : std::string_view{};
      });
    }
    const std::span<const std::string_view> keys = by_bytes ? bytes_.views() : keys_->views();
    if (spec->model == TokenizerSpec::Model::kUnigram) {
      const UnigramModel::Options options{spec->unknown_id, spec->byte_fallback, fallback_};
      unigram_.emplace(keys, std::move(spec->scores), options);
      return;
    }
    BytesIndex index(spec->tokens.size());
    for (size_t id = 0; id < spec->tokens.size(); ++id) {
      if (spec->tokens[id].in_model) index.Insert(keys[id], static_cast<int32_t>(id));
    }
    BpeOptions options;
    options.ignore_merges = spec->ignore_merges;
    options.by_character = !by_bytes;
    options.unknown_id = spec->unknown_id;
    options.fuses_unknown = spec->fuses_unknown;
    if (spec->byte_fallback) options.fallback = fallback_;
    bpe_.emplace(std::move(index), spec->merges, keys, options);
  }

  /// Of the added tokens, those that are looked for in raw or in normalized text; the latter are
  /// normalized themselves.
  std::vector<AddedToken> Select(const std::vector<AddedToken>& added, bool normalized) const {
    std::vector<AddedToken> selected;
    for (const AddedToken& token : added) {
      if (token.normalized != normalized) continue;
      selected.push_back(token);
      if (normalized) selected.back().content = normalizer_.Apply(token.content, true);
    }
    return selected;
  }

  /// Appends the ids of added tokens and calls `plain` with the text between them, in order.
  template <typename Plain>
  static void ForEachPiece(const AddedTokenMatcher& added, std::string_view text,
                           const Search& search, std::vector<int32_t>* ids, Plain&& plain) {
    size_t position = 0;
    AddedTokenMatcher::Match match{};
    while (added.Find(text, match.content_end, position, search, &match)) {
      if (position < match.start) plain(text.substr(position, match.start - position));
      ids->push_back(match.id);
      position = match.end;
    }
    if (position < text.size()) plain(text.substr(position));
  }

  /// Text that is normalized and has no added tokens.
  void AppendText(std::string_view text, Place place, std::vector<int32_t>* ids) const {
    pretokenizer_.ForEach(text, place, [&](std::string_view pretoken) {
      bpe_ ? bpe_->Encode(pretoken, ids) : unigram_->Encode(pretoken, ids);
    });
  }

  /// Text in which nothing may stand for itself that the model reads as a special token or a byte:
  /// it is cut inside of such names.
  void AppendSpelled(std::string_view text, std::vector<int32_t>* ids) const {
    AddedTokenMatcher::Match match{};
    while (reserved_.Find(text, 0, 0, {true, true}, &match)) {
      AppendText(text.substr(0, match.start + 1), Place::kMiddle, ids);
      text.remove_prefix(match.start + 1);
    }
    AppendText(text, Place::kMiddle, ids);
  }

  /// The names, of special tokens and of bytes, that the model itself can make. Only those that
  /// begin with a character of one byte count, as all do in practice.
  static std::vector<AddedToken> Reserved(const TokenizerSpec& spec) {
    std::vector<AddedToken> reserved;
    if (spec.model == TokenizerSpec::Model::kByteBpe) return reserved;
    const bool makes_all = spec.model == TokenizerSpec::Model::kUnigram || spec.ignore_merges;
    std::vector<uint8_t> is_made(spec.tokens.size(), makes_all ? 1 : 0);
    for (const BpeMerge& merge : spec.merges) is_made[static_cast<size_t>(merge.merged)] = 1;
    for (size_t id = 0; id < spec.tokens.size(); ++id) {
      const TokenizerSpec::Token& token = spec.tokens[id];
      if (!token.in_model || !(token.special || token.is_byte) || is_made[id] == 0) continue;
      if (token.key().size() < 2 || static_cast<uint8_t>(token.key()[0]) >= 0x80) continue;
      AddedToken name;
      name.id = static_cast<int32_t>(id);
      name.content = token.key();
      reserved.push_back(std::move(name));
    }
    return reserved;
  }

  /// Byte by byte; nothing when a byte has no token of its own.
  void AppendBytes(std::string_view bytes, std::vector<int32_t>* ids) const {
    for (const char byte : bytes) {
      if (fallback_[static_cast<uint8_t>(byte)] < 0) return;
    }
    for (const char byte : bytes) ids->push_back(fallback_[static_cast<uint8_t>(byte)]);
  }

  uint64_t fingerprint_;
  TextTable bytes_;
  std::optional<TextTable> keys_;  ///< the model's texts of the tokens, where they are not bytes_
  std::vector<uint8_t> special_;
  BytesIndex by_text_;
  Normalizer normalizer_;
  PretokenizerSteps pretokenizer_;
  bool marks_spaces_;
  AddedTokenMatcher raw_added_;
  AddedTokenMatcher normalized_added_;
  AddedTokenMatcher reserved_;
  std::array<int32_t, 256> fallback_;  ///< tokens of the bytes of characters without one
  std::optional<BpeModel> bpe_;        ///< this or unigram_
  std::optional<UnigramModel> unigram_;
  /// Each of normalized_added_ is found where its own text stands.
  bool normalized_added_spell_ = true;
  int32_t bos_id_;
  bool adds_bos_;
  std::vector<int32_t> eos_ids_;
  std::string chat_template_;
};

}  // namespace

std::shared_ptr<const Tokenizer> BuildTokenizer(TokenizerSpec spec) {
  return std::make_shared<const PipelineTokenizer>(std::move(spec));
}

}  // namespace diecast
