// Parts of the tokenizer that need no model: splitting, merging against a plain definition, and
// refusal of cut-off files. The ids themselves are compared with the `tokenizers` package in
// test/unit/tokenizer.test.ts.
#include "native/tokenizer/tokenizer.h"

#include <map>
#include <random>

#include "native/error.h"
#include "native/test/check.h"
#include "native/tokenizer/bpe_model.h"
#include "native/tokenizer/normal_form.h"
#include "native/tokenizer/pretokenizer.h"
#include "native/tokenizer/pretokenizer_steps.h"
#include "native/tokenizer/split_pattern.h"
#include "native/tokenizer/unicode_class.h"

using namespace diecast;

namespace {

constexpr PretokenizerKind kKinds[] = {PretokenizerKind::kGpt2, PretokenizerKind::kSmollm,
                                       PretokenizerKind::kLlama3, PretokenizerKind::kQwen2};

std::vector<std::string> Split(PretokenizerKind kind, std::string_view text) {
  std::vector<std::string> pretokens;
  PretokenScanner scanner(kind, text);
  std::string_view pretoken;
  while (scanner.Next(&pretoken)) {
    CHECK(!pretoken.empty());
    pretokens.emplace_back(pretoken);
  }
  return pretokens;
}

/// The scanners take every character for exactly one of letter, number, space and other.
void CharacterClassesAreDisjoint() {
  for (uint32_t c = 0; c <= 0x110000; ++c) {
    const int classes = UnicodeClassOf(c) & (kLetter | kNumber | kWhiteSpace);
    CHECK((classes & (classes - 1)) == 0);
  }
  CHECK(UnicodeClassOf(0x4e00) == (kLetter | kWord) && UnicodeClassOf(0x2028) == kWhiteSpace);
  CHECK((UnicodeClassOf(0xb2) & kNumber) != 0 && UnicodeClassOf(0x110000) == 0);
}

void PretokensCoverAnyBytesInOrder() {
  std::mt19937_64 random(3);
  constexpr std::string_view kBytes = "a1 \n\r'sS.\xc3\xa9\xe4\xb8\x80\xff\xf0\x9f";
  for (int round = 0; round < 4000; ++round) {
    std::string text;
    for (size_t i = random() % 40; i > 0; --i) {
      text.push_back(round % 2 == 0 ? static_cast<char>(random())
                                    : kBytes[random() % kBytes.size()]);
    }
    for (const PretokenizerKind kind : kKinds) {
      std::string joined;
      for (const std::string& pretoken : Split(kind, text)) joined += pretoken;
      CHECK(joined == text);
    }
  }
}

void SplitsAsThePatternsSay() {
  using Words = std::vector<std::string>;
  const std::string text = "I'LL pay 1234 EUR.\r\n  don't\n";
  CHECK((Split(PretokenizerKind::kGpt2, text) ==
         Words{"I", "'", "LL", " pay", " 1234", " EUR", ".", "\r\n ", " don", "'t", "\n"}));
  CHECK((Split(PretokenizerKind::kSmollm, text) == Words{"I", "'", "LL", " pay", " ", "1", "2", "3",
                                                         "4", " EUR", ".", "\r\n ", " don", "'t",
                                                         "\n"}));
  CHECK((Split(PretokenizerKind::kLlama3, text) ==
         Words{"I", "'LL", " pay", " ", "123", "4", " EUR", ".\r\n", " ", " don", "'t", "\n"}));
  CHECK((Split(PretokenizerKind::kQwen2, text) == Words{"I", "'LL", " pay", " ", "1", "2", "3", "4",
                                                        " EUR", ".\r\n", " ", " don", "'t", "\n"}));
}

/// Byte pair encoding as its definition says: join the leftmost pair of the lowest rank until there
/// is none.
std::vector<int32_t> MergePlainly(std::vector<int32_t> ids, const std::vector<BpeMerge>& merges) {
  std::map<std::pair<int32_t, int32_t>, size_t> ranks;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    ranks[{merges[rank].left, merges[rank].right}] = rank;
  }
  while (true) {
    size_t best = merges.size();
    size_t at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = ranks.find({ids[i], ids[i + 1]});
      if (found != ranks.end() && found->second < best) {
        best = found->second;
        at = i;
      }
    }
    if (best == merges.size()) return ids;
    ids[at] = merges[best].merged;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(at) + 1);
  }
}

void MergesAsTheDefinitionSays() {
  std::mt19937_64 random(5);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> tokens = {"a", "b", "c"};
    std::map<std::string, int32_t> ids = {{"a", 0}, {"b", 1}, {"c", 2}};
    std::vector<BpeMerge> merges;
    for (int i = 0; i < 25; ++i) {
      const auto left = static_cast<int32_t>(random() % tokens.size());
      const auto right = static_cast<int32_t>(random() % tokens.size());
      const std::string text =
          tokens[static_cast<size_t>(left)] + tokens[static_cast<size_t>(right)];
      const auto [entry, added] = ids.emplace(text, static_cast<int32_t>(tokens.size()));
      if (added) tokens.push_back(text);
      merges.push_back({left, right, entry->second, static_cast<uint32_t>(merges.size())});
    }
    BytesIndex index(tokens.size());
    std::vector<std::string_view> views(tokens.begin(), tokens.end());
    for (size_t id = 0; id < views.size(); ++id) index.Insert(views[id], static_cast<int32_t>(id));
    const BpeModel model(std::move(index), merges, views, {});
    for (size_t length = 1; length < 160; length += 1 + random() % 5) {
      std::string text;
      std::vector<int32_t> bytes;
      for (size_t i = 0; i < length; ++i) {
        bytes.push_back(static_cast<int32_t>(random() % 3));
        text.push_back(static_cast<char>('a' + bytes.back()));
      }
      std::vector<int32_t> actual;
      model.Encode(text, &actual);
      CHECK(actual == MergePlainly(bytes, merges));
    }
  }
}

void NormalizesToTheForms() {
  CHECK(Normalize("e\xcc\x81", NormalForm::kNfc) == "\xc3\xa9");
  CHECK(Normalize("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", NormalForm::kNfc) == "\xea\xb0\x81");
  CHECK(Normalize("s\xcc\x87\xcc\xa3", NormalForm::kNfc) == "\xe1\xb9\xa9");  // marks are reordered
  CHECK(Normalize("\xe2\x84\xa6", NormalForm::kNfc) == "\xce\xa9");  // the ohm sign is an omega
  CHECK(Normalize("\xe0\xa5\x98", NormalForm::kNfc) ==
        "\xe0\xa4\x95\xe0\xa4\xbc");  // excluded from composition
  CHECK(Normalize("\xc3\xa9", NormalForm::kNfd) == "e\xcc\x81");
  CHECK(Normalize("\xef\xac\x81\xe2\x91\xa0", NormalForm::kNfkc) == "fi1");  // fi, circled 1
  CHECK(ToLowerCase("A\xc3\x89\xc4\xb0") == "a\xc3\xa9i\xcc\x87");
  CHECK(Normalize("e\xff\xcc\x81", NormalForm::kNfc) == "e\xff\xcc\x81");
}

std::vector<std::string> Matches(std::string_view regex, std::string_view text) {
  const auto pattern = SplitPattern::Compile(regex);
  std::vector<std::string> found;
  size_t begin = 0;
  size_t end = 0;
  for (SplitPattern::Matches matches(*pattern, text); matches.Next(&begin, &end);) {
    CHECK(begin < end && end <= text.size());
    found.emplace_back(text.substr(begin, end - begin));
  }
  return found;
}

void MatchesAsBacktrackingSays() {
  using Words = std::vector<std::string>;
  CHECK((Matches("a|ab", "abab") == Words{"a", "a"}));  // the first alternative, not the longest
  CHECK((Matches("a+?b|a", "aab aa") == Words{"aab", "a", "a"}));
  CHECK((Matches("[a-c&&[^b]]+", "abcca") == Words{"a", "cca"}));
  CHECK((Matches("(?i:'s|k+)",
                 "'S'\xc5\xbf"
                 "Kk\xe2\x84\xaa") == Words{"'S", "'\xc5\xbf", "Kk\xe2\x84\xaa"}));
  CHECK((Matches("\\p{N}{1,3}(?=(?:\\d{3})*(?:\\D|$))", "1234567") == Words{"1", "234", "567"}));
  CHECK((Matches("a++a|b", "aab") == Words{"b"}));  // a possessive run gives nothing back
  CHECK((Matches("(?>ab|a)c|ab", "ac abc") == Words{"ac", "abc"}));
  CHECK((Matches("^b|c$", "b\nb c\nc") == Words{"b", "b", "c", "c"}));
  CHECK((Matches("(?:ab?){2,3}", "abaabaa") == Words{"abaab", "aa"}));
  CHECK((Matches("\\w+|[^\\w\\s]+", "h\xc3\xa9_1 !?\xff") == Words{"h\xc3\xa9_1", "!?\xff"}));
}

void RefusesPatternsThatItDoesNotRead() {
  for (const char* regex : {"",
                            "a*",
                            "(",
                            ")",
                            "[a",
                            "a**",
                            "(?<=a)b",
                            "(a)\\1",
                            "\\p{Nope}",
                            "[[:alpha:]]",
                            "\\b",
                            "a{2000}",
                            "(?:(?:ab?){1000}){1000}",
                            "(?i:stra)",
                            "(?i:\xc3\xa9)",
                            "x|",
                            "[b-a]",
                            "\\",
                            "(?:a|b*)+",
                            "\xff"}) {
    try {
      (void)SplitPattern::Compile(regex);
      std::printf("accepted: %s\n", regex);
      CHECK(!"a pattern was accepted");
    } catch (const Error& e) {
      CHECK(e.code == ErrorCode::kModelUnsupported);
    }
  }
  try {  // nested repeats end in an error, not in a hang
    (void)Matches("(?:a+)+b", std::string(60, 'a'));
    CHECK(!"an exponential match ended");
  } catch (const Error& e) {
    CHECK(e.code == ErrorCode::kInvalidArgument);
  }
}

const std::string kSmallTokenizer = R"({
  "added_tokens": [{"id": 4, "content": "<end>", "special": true}],
  "normalizer": null,
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
  "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<end>", "type_id": 0}}]},
  "model": {"type": "BPE", "dropout": null, "vocab": {"a": 0, "b": 1, "ab": 2, "\u0120": 3}, "merges": ["a b"]}
})";

void ReadsASmallTokenizer() {
  const auto tokenizer = Tokenizer::FromJson(kSmallTokenizer);
  CHECK(tokenizer->vocab_size() == 5 && tokenizer->bos_id() == 4 && tokenizer->adds_bos());
  CHECK((tokenizer->Encode("ab <end>ba", true) == std::vector<int32_t>{2, 3, 4, 1, 0}));
  CHECK((tokenizer->Encode("ab <end>", false) == std::vector<int32_t>{2, 3}));
  CHECK(tokenizer->TokenId(" ") == 3 && tokenizer->TokenId("<end>") == 4 &&
        tokenizer->TokenId("x") == -1);
}

void RefusesEveryTruncation() {
  for (size_t size = 0; size < kSmallTokenizer.size(); ++size) {
    const std::string cut = kSmallTokenizer.substr(0, size);
    try {
      Tokenizer::FromJson(cut);
      CHECK(!"a cut-off tokenizer.json was accepted");
    } catch (const Error& e) {
      CHECK(e.code == ErrorCode::kModelInvalid);
    }
  }
}

}  // namespace

int main() {
  CharacterClassesAreDisjoint();
  PretokensCoverAnyBytesInOrder();
  SplitsAsThePatternsSay();
  MergesAsTheDefinitionSays();
  NormalizesToTheForms();
  MatchesAsBacktrackingSays();
  RefusesPatternsThatItDoesNotRead();
  ReadsASmallTokenizer();
  RefusesEveryTruncation();
  return 0;
}
