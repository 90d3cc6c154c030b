// Reads a split pattern: recursive descent to a tree, then the program.
#include <memory>
#include <optional>

#include "native/error.h"
#include "native/tokenizer/split_pattern.h"
#include "native/tokenizer/utf8.h"

namespace diecast {
namespace {

constexpr uint32_t kUnbounded = ~uint32_t{0};
constexpr uint32_t kMaxCount = 1000;
constexpr size_t kMaxProgram = 10000;
constexpr int kMaxDepth = 40;

}  // namespace

class SplitPatternParser {
 public:
  explicit SplitPatternParser(std::string_view regex) : regex_(regex) {}

  std::shared_ptr<const SplitPattern> Compile() {
    auto pattern = std::make_shared<SplitPattern>();
    pattern_ = pattern.get();
    Node root = ParseAlternatives();
    if (pos_ < regex_.size()) Refuse("a ) without (");
    if (root.min_length == 0) Refuse("a pattern that matches the empty text");
    Emit(root);
    Add(Op::kAccept);
    for (CodePointSet& set : pattern->sets_) set.Freeze();
    return pattern;
  }

 private:
  using Op = SplitPattern::Op;
  struct Node {
    enum Kind : uint8_t { kEmpty, kSet, kSequence, kAlternatives, kRepeat, kGroup, kAssertion };
    enum Greed : uint8_t { kGreedy, kLazy, kPossessive };
    Kind kind = kEmpty;
    Greed greed = kGreedy;    ///< kRepeat
    Op op = Op::kAtomic;      ///< kGroup: kLookahead, kNotAhead or kAtomic; kAssertion: which
    uint32_t set = 0;         ///< kSet
    uint32_t least = 0;       ///< kRepeat
    uint32_t most = 0;        ///< kRepeat
    uint32_t min_length = 0;  ///< in characters, saturated
    std::vector<Node> parts;
  };

  [[noreturn]] void Refuse(const std::string& what) const {
    throw Error(ErrorCode::kModelUnsupported,
                "the split pattern " + std::string(regex_.substr(0, 200)) +
                    (regex_.size() > 200 ? "..." : "") + " at byte " + std::to_string(pos_) + ": " +
                    what + " is not supported");
  }

  bool AtEnd() const { return pos_ >= regex_.size(); }
  bool Looking(std::string_view text) const { return regex_.substr(pos_, text.size()) == text; }
  bool Take(std::string_view text) {
    if (!Looking(text)) return false;
    pos_ += text.size();
    return true;
  }
  uint32_t TakeChar() {
    if (AtEnd()) Refuse("a pattern that ends here");
    const Utf8Char c = DecodeUtf8(regex_, pos_);
    if (c.kind != Utf8Char::kValid) Refuse("text that is not UTF-8");
    pos_ += c.length;
    return c.code_point;
  }

  // --- tree

  Node ParseAlternatives() {
    if (++depth_ > kMaxDepth) Refuse("nesting deeper than " + std::to_string(kMaxDepth));
    const bool outer_ignore_case = ignore_case_;
    Node alternatives;
    alternatives.kind = Node::kAlternatives;
    do {
      alternatives.parts.push_back(ParseSequence());
    } while (Take("|"));
    ignore_case_ = outer_ignore_case;  // a flag set inside ends with its group
    --depth_;
    if (alternatives.parts.size() == 1) return std::move(alternatives.parts[0]);
    alternatives.min_length = kUnbounded;
    for (const Node& part : alternatives.parts) {
      alternatives.min_length = std::min(alternatives.min_length, part.min_length);
    }
    return alternatives;
  }

  Node ParseSequence() {
    Node sequence;
    sequence.kind = Node::kSequence;
    uint32_t folded = 0;  // the letter before, where case is ignored
    while (!AtEnd() && !Looking("|") && !Looking(")")) {
      const uint32_t previous = folded;
      folded = 0;
      Node part = ParseAtom(&folded);
      // Some pairs of letters also match a ligature or a sharp s when case is ignored.
      if (previous != 0 && folded != 0) {
        const char pair[] = {static_cast<char>(previous), static_cast<char>(folded), 0};
        for (const char* joined : {"ff", "fi", "fl", "ss", "st"}) {
          if (std::string_view(pair) == joined) Refuse("(?i) over " + std::string(pair));
        }
      }
      const Node repeated = ParseQuantifiers(std::move(part));
      sequence.min_length = std::min(sequence.min_length + repeated.min_length, uint32_t{1} << 20);
      sequence.parts.push_back(repeated);
    }
    return sequence;
  }

  Node ParseQuantifiers(Node part) {
    while (true) {
      uint32_t least = 0;
      uint32_t most = kUnbounded;
      bool is_interval = false;
      if (Take("*")) {
      } else if (Take("+")) {
        least = 1;
      } else if (Take("?")) {
        most = 1;
      } else if (!TakeInterval(&least, &most)) {
        return part;
      } else {
        is_interval = true;
      }
      if (part.kind == Node::kAssertion || part.kind == Node::kGroup) {
        if (part.min_length == 0) Refuse("repeating what takes no text");
      }
      if (part.min_length == 0 && most > 1) Refuse("repeating what may be empty");
      Node repeat;
      repeat.kind = Node::kRepeat;
      repeat.least = least;
      repeat.most = most;
      if (Take("?")) {
        repeat.greed = Node::kLazy;
        if (is_interval && least == most) Refuse("an optional exact count");
      } else if (!is_interval && Take("+")) {  // {n,m}+ repeats the repeat in this syntax
        repeat.greed = Node::kPossessive;
      }
      repeat.min_length = std::min(part.min_length * least, uint32_t{1} << 20);
      repeat.parts.push_back(std::move(part));
      part = std::move(repeat);
    }
  }

  /// {n} {n,} {,m} {n,m}; a brace that is none of these stands for itself.
  bool TakeInterval(uint32_t* least, uint32_t* most) {
    const size_t start = pos_;
    if (!Take("{")) return false;
    const auto low = TakeNumber();
    const bool comma = Take(",");
    const auto high = comma ? TakeNumber() : low;
    if (!Take("}") || (!low && !high)) {
      pos_ = start;
      return false;
    }
    *least = low.value_or(0);
    *most = high.value_or(kUnbounded);
    if (*most < *least) Refuse("a count that falls");
    return true;
  }
  std::optional<uint32_t> TakeNumber() {
    std::optional<uint32_t> number;
    while (!AtEnd() && regex_[pos_] >= '0' && regex_[pos_] <= '9') {
      number = number.value_or(0) * 10 + static_cast<uint32_t>(regex_[pos_++] - '0');
      if (*number > kMaxCount) Refuse("a count above " + std::to_string(kMaxCount));
    }
    return number;
  }

  /// `folded`: the lower-case letter, when the atom is a letter whose case is ignored.
  Node ParseAtom(uint32_t* folded) {
    if (Take("(")) return ParseGroup();
    if (Take("[")) return SetNode(ParseClass());
    if (Take(".")) return SetNode(CodePointSet({{'\n', '\n'}}).Complement());
    if (Take("^")) return Assertion(Op::kLineStart);
    if (Take("$")) return Assertion(Op::kLineEnd);
    if (Take("\\A")) return Assertion(Op::kTextStart);
    if (Take("\\z")) return Assertion(Op::kTextEnd);
    if (Looking("*") || Looking("+") || Looking("?")) Refuse("a repeat of nothing");
    if (Take("\\")) {
      std::optional<CodePointSet> shorthand = TakeShorthand();
      if (shorthand) return SetNode(std::move(*shorthand));
      return CharNode(TakeEscapedChar(), folded);
    }
    return CharNode(TakeChar(), folded);
  }

  Node CharNode(uint32_t c, uint32_t* folded) {
    CodePointSet set({{c, c}});
    if (!ignore_case_) return SetNode(std::move(set));
    if (c >= 0x80) Refuse("(?i) over characters beyond ASCII");
    if (c >= 'A' && c <= 'Z') c += 32;
    if (c >= 'a' && c <= 'z') *folded = c;
    return SetNode(set.FoldAsciiCase());
  }

  Node SetNode(CodePointSet set) {
    Node node;
    node.kind = Node::kSet;
    node.min_length = 1;
    auto& sets = pattern_->sets_;
    size_t index = 0;
    while (index < sets.size() && sets[index].ranges() != set.ranges()) ++index;
    if (index == sets.size()) sets.push_back(std::move(set));
    node.set = static_cast<uint32_t>(index);
    return node;
  }

  static Node Assertion(Op op) {
    Node node;
    node.kind = Node::kAssertion;
    node.op = op;
    return node;
  }

  Node ParseGroup() {
    Node group;
    group.kind = Node::kGroup;
    bool is_plain = false;
    bool ignore_case = ignore_case_;
    if (Take("?=")) {
      group.op = Op::kLookahead;
    } else if (Take("?!")) {
      group.op = Op::kNotAhead;
    } else if (Take("?>")) {
      group.op = Op::kAtomic;
    } else if (Take("?:")) {
      is_plain = true;
    } else if (Take("?i:")) {
      is_plain = true;
      ignore_case = true;
    } else if (Take("?-i:")) {
      is_plain = true;
      ignore_case = false;
    } else if (Take("?i)")) {  // up to the end of the enclosing group, alternatives included
      ignore_case_ = true;
      Node rest = ParseAlternatives();
      return rest;
    } else if (Looking("?")) {
      Refuse("this kind of group");
    } else {
      is_plain = true;  // a capture that nothing refers to
    }
    const bool outer = ignore_case_;
    ignore_case_ = ignore_case;
    Node inside = ParseAlternatives();
    ignore_case_ = outer;
    if (!Take(")")) Refuse("a group that does not end");
    if (is_plain) return inside;
    group.min_length = group.op == Op::kAtomic ? inside.min_length : 0;
    group.parts.push_back(std::move(inside));
    return group;
  }

  // --- classes

  /// After the backslash: the set of \s \d \w \h \p{..} and their complements.
  std::optional<CodePointSet> TakeShorthand() {
    if (AtEnd()) Refuse("a pattern that ends in a backslash");
    const char c = regex_[pos_];
    const char lower = static_cast<char>(c | 32);
    std::string_view property;
    if (lower == 's') property = "White_Space";
    if (lower == 'd') property = "Nd";
    if (lower == 'w') property = "Word";
    if (lower == 'h') property = "HexDigit";
    bool negated = c != lower;
    if (!property.empty()) {
      ++pos_;
    } else if (lower == 'p') {
      if (ignore_case_) Refuse("(?i) over a property");
      ++pos_;
      if (!Take("{")) Refuse("a property without braces");
      if (Take("^")) negated = !negated;
      const size_t end = regex_.find('}', pos_);
      if (end == std::string_view::npos) Refuse("a property that does not end");
      property = regex_.substr(pos_, end - pos_);
      pos_ = end + 1;
    } else {
      return std::nullopt;
    }
    const auto set = CodePointSet::OfProperty(property);
    if (!set) Refuse("the property " + std::string(property));
    return negated ? set->Complement() : *set;
  }

  /// After the backslash: the character that an escape stands for.
  uint32_t TakeEscapedChar() {
    const uint32_t c = TakeChar();
    switch (c) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'f':
        return '\f';
      case 'v':
        return '\v';
      case 'a':
        return 7;
      case 'e':
        return 27;
      case 'u':
        return TakeHex(4, 4);
      case 'x':
        if (Take("{")) {
          const uint32_t value = TakeHex(1, 6);
          if (!Take("}")) Refuse("an \\x{ that does not end");
          return value;
        }
        if (const uint32_t value = TakeHex(1, 2); value < 0x80) return value;
        Refuse("a byte beyond ASCII");
      default:
        break;
    }
    const bool is_word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (is_word) Refuse("the escape \\" + std::string(1, static_cast<char>(c)));
    return c;
  }

  uint32_t TakeHex(int least, int most) {
    uint32_t value = 0;
    int digits = 0;
    for (; digits < most && !AtEnd(); ++digits, ++pos_) {
      const char c = regex_[pos_];
      const char lower = static_cast<char>(c | 32);
      if (c >= '0' && c <= '9') {
        value = value * 16 + static_cast<uint32_t>(c - '0');
      } else if (lower >= 'a' && lower <= 'f') {
        value = value * 16 + static_cast<uint32_t>(lower - 'a' + 10);
      } else {
        break;
      }
    }
    if (digits < least || value > 0x10ffff) Refuse("this hexadecimal escape");
    return value;
  }

  /// After the opening bracket.
  CodePointSet ParseClass() {
    if (++depth_ > kMaxDepth) Refuse("nesting deeper than " + std::to_string(kMaxDepth));
    const bool negated = Take("^");
    std::optional<CodePointSet> before;  // what stands left of the last &&
    CodePointSet set;
    bool is_first = true;
    while (is_first || !Looking("]")) {
      if (AtEnd()) Refuse("a class that does not end");
      if (Looking("[:")) Refuse("a POSIX class");
      if (Take("&&")) {
        before = before ? before->Intersection(set) : set;
        set = CodePointSet();
      } else if (Take("[")) {
        set = set.Union(ParseClass());
      } else {
        AddClassItem(&set);
      }
      is_first = false;
    }
    Take("]");
    if (before) set = before->Intersection(set);
    --depth_;
    if (ignore_case_) {
      if (!set.is_ascii()) Refuse("(?i) over a class beyond ASCII");
      set = set.FoldAsciiCase();
    }
    return negated ? set.Complement() : set;
  }

  void AddClassItem(CodePointSet* set) {
    uint32_t first = 0;
    if (Take("\\")) {
      if (Take("b")) {
        first = '\b';
      } else if (const auto shorthand = TakeShorthand()) {
        *set = set->Union(*shorthand);
        return;
      } else {
        first = TakeEscapedChar();
      }
    } else {
      first = TakeChar();
    }
    uint32_t last = first;
    // A hyphen before the closing bracket stands for itself.
    if (Looking("-") && regex_.substr(pos_ + 1, 1) != "]" && pos_ + 1 < regex_.size()) {
      ++pos_;
      if (Looking("[")) Refuse("a range up to a class");
      last = Take("\\") ? TakeEscapedChar() : TakeChar();
      if (last < first) Refuse("a range that falls");
    }
    *set = set->Union(CodePointSet({{first, last}}));
  }

  // --- program

  uint32_t Here() const { return static_cast<uint32_t>(pattern_->program_.size()); }
  uint32_t Add(Op op, uint32_t a = 0, uint32_t b = 0, uint32_t c = 0) {
    if (pattern_->program_.size() >= kMaxProgram) Refuse("a pattern as large as this");
    pattern_->program_.push_back({op, a, b, c});
    return Here() - 1;
  }

  void Emit(const Node& node) {
    auto& program = pattern_->program_;
    switch (node.kind) {
      case Node::kEmpty:
        break;
      case Node::kSet:
        Add(Op::kSet, node.set);
        break;
      case Node::kSequence:
        for (const Node& part : node.parts) Emit(part);
        break;
      case Node::kAlternatives: {
        std::vector<uint32_t> jumps;
        for (size_t i = 0; i < node.parts.size(); ++i) {
          const bool is_last = i + 1 == node.parts.size();
          const uint32_t split = is_last ? 0 : Add(Op::kSplit, Here() + 1);
          Emit(node.parts[i]);
          if (is_last) break;
          jumps.push_back(Add(Op::kJump));
          program[split].b = Here();
        }
        for (const uint32_t jump : jumps) program[jump].a = Here();
        break;
      }
      case Node::kGroup: {
        const uint32_t group = Add(node.op);
        Emit(node.parts[0]);
        Add(Op::kAccept);
        program[group].a = Here();
        break;
      }
      case Node::kAssertion:
        Add(node.op);
        break;
      case Node::kRepeat:
        EmitRepeat(node);
        break;
    }
  }

  void EmitRepeat(const Node& node) {
    auto& program = pattern_->program_;
    const Node& part = node.parts[0];
    if (part.kind == Node::kSet && node.greed != Node::kLazy) {
      const Op op = node.greed == Node::kGreedy ? Op::kRun : Op::kRunAll;
      Add(op, part.set, node.least, node.most);
      return;
    }
    const bool is_possessive = node.greed == Node::kPossessive;
    const uint32_t group = is_possessive ? Add(Op::kAtomic) : 0;
    // With the order of the two targets a repeat is greedy or lazy.
    const bool is_lazy = node.greed == Node::kLazy;
    const auto add_split = [&] { return Add(Op::kSplit); };
    const auto set_targets = [&](uint32_t split, uint32_t inside, uint32_t after) {
      program[split].a = is_lazy ? after : inside;
      program[split].b = is_lazy ? inside : after;
    };
    for (uint32_t i = 0; i < node.least; ++i) Emit(part);
    if (node.most == kUnbounded) {
      const uint32_t split = add_split();
      Emit(part);
      Add(Op::kJump, split);
      set_targets(split, split + 1, Here());
    } else {
      std::vector<uint32_t> splits;
      for (uint32_t i = node.least; i < node.most; ++i) {
        splits.push_back(add_split());
        Emit(part);
      }
      for (const uint32_t split : splits) set_targets(split, split + 1, Here());
    }
    if (is_possessive) {
      Add(Op::kAccept);
      program[group].a = Here();
    }
  }

  std::string_view regex_;
  size_t pos_ = 0;
  int depth_ = 0;
  bool ignore_case_ = false;
  SplitPattern* pattern_ = nullptr;
};

std::shared_ptr<const SplitPattern> SplitPattern::Compile(std::string_view regex) {
  return SplitPatternParser(regex).Compile();
}

}  // namespace diecast
