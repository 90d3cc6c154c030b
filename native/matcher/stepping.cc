// How sets of items move: what a byte leads to, what may follow, where a text may end.
#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "native/error.h"
#include "native/matcher/configuration.h"

namespace diecast {
namespace {

/// A set of items beyond this means a grammar of runaway ambiguity.
constexpr size_t kMaxItems = 20000;
/// How many situations are looked at to find a text that is not among those seen.
constexpr size_t kMaxEscapeSearch = 4096;
/// Closures up to this size look for duplicates by scanning.
constexpr size_t kSmallClosure = 16;

using Item = ConfigStore::Item;

uint64_t HashOf(const Item& m) {
  return HashMix(HashMix(m.stack, m.state), uint64_t{m.text} << 32 | m.reg);
}

/// Sets a flag for as long as it lives.
class Escaping {
 public:
  explicit Escaping(bool* flag) : flag_(flag), outer_(*flag) { *flag_ = true; }
  ~Escaping() { *flag_ = outer_; }
  Escaping(const Escaping&) = delete;
  Escaping& operator=(const Escaping&) = delete;

 private:
  bool* flag_;
  bool outer_;
};

[[noreturn]] void FailAmbiguous() {
  throw Error(ErrorCode::kGrammarTooLarge,
              "the grammar is too ambiguous: a configuration of more than " +
                  std::to_string(kMaxItems) + " members");
}

/// Takes out repeats. Throws when more members remain than a configuration may have.
void LimitItems(ConfigStore::ItemSet* items) {
  std::sort(items->begin(), items->end());
  items->erase(std::unique(items->begin(), items->end()), items->end());
  if (items->size() > kMaxItems) FailAmbiguous();
}

}  // namespace

ConfigStore::ClosureScope::ClosureScope(ConfigStore* store) : store_(store) {
  if (store_->depth_ == store_->closures_.size())
    store_->closures_.push_back(std::make_unique<Closure>());
  Closure& closure = *store_->closures_[store_->depth_++];
  closure.pending.clear();
  closure.visited.clear();
  closure.indexed = 0;
  ++closure.number;
}

bool ConfigStore::NextPending(Item* item) {
  Closure& c = closure();
  while (!c.pending.empty()) {
    Tick();
    const Item m = c.pending.back();
    c.pending.pop_back();
    if (c.visited.size() < kSmallClosure) {
      if (std::find(c.visited.begin(), c.visited.end(), m) != c.visited.end()) continue;
      c.visited.push_back(m);
      *item = m;
      return true;
    }
    if ((c.visited.size() + 1) * 2 > c.slots.size()) {
      c.slots.assign(std::max<size_t>(256, c.slots.size() * 2), 0);
      c.indexed = 0;
    }
    const auto find_or_place = [&](const Item& sought, size_t index) {
      const size_t mask = c.slots.size() - 1;
      for (size_t i = HashOf(sought) & mask;; i = (i + 1) & mask) {
        if (c.slots[i] >> 32 != c.number) {  // left by an earlier closure: free
          c.slots[i] = uint64_t{c.number} << 32 | index;
          return false;
        }
        if (c.visited[c.slots[i] & 0xffffffffu] == sought) return true;
      }
    };
    for (; c.indexed < c.visited.size(); ++c.indexed)
      find_or_place(c.visited[c.indexed], c.indexed);
    c.visited.push_back(m);
    if (find_or_place(m, c.indexed)) {
      c.visited.pop_back();
      continue;
    }
    ++c.indexed;
    if (c.visited.size() > kMaxItems) FailAmbiguous();
    *item = m;
    return true;
  }
  return false;
}

bool ConfigStore::MayReturn(const Item& item) const {
  if (!program_.Accepting(item.state)) return false;
  const Program::Rule& rule = program_.RuleOf(item.state);
  if (!rule.counted()) return true;
  if (!rule.registers()) return item.reg >= rule.counter_min;
  const RegisterView view = View(rule, item.reg);
  return view.count >= rule.counter_min && view.missing == 0;
}

bool ConfigStore::Leave(const Item& item, Item* after) {
  if (item.stack == kBottom) {
    *after = {kBottom, kCompleteState, 0, RegisterStore::kNoText};
    return true;
  }
  const StackNode& node = stacks_[item.stack];
  if (node.text_start == RegisterStore::kNoText) {
    *after = {node.parent, node.state, node.reg, item.text};
    return true;
  }
  const std::string value = registers_.Since(item.text_id(), node.text_start);
  TickWords(value.size() + registers_.record(node.reg & kRecordMask).size());
  if (item.at_risk() && registers_.Seen(node.reg & kRecordMask, value)) return false;
  const uint32_t outer =
      node.text_start == RegisterStore::kEmptyText ? RegisterStore::kNoText : item.text;
  const uint32_t required = program_.RuleOf(node.state).required();
  *after = {node.parent, node.state, node.reg, outer};
  after->reg = registers_.WithValue(node.reg, value, required);
  return true;
}

void ConfigStore::Arrive(Item item, ItemSet* out) {
  while (item.state != kCompleteState && program_.PureReturn(item.state)) {
    Tick();
    Item after;
    if (!MayReturn(item) || !Leave(item, &after)) return;
    item = after;
  }
  if (item.at_risk()) {
    if (!AtRisk(item)) {
      item.text |= kFresh;
    } else if (!escaping_ && !program_.Endless(item.state) && !CanAvoidSeen(item)) {
      return;
    }
  }
  if (program_.has_scarce_unique() && !escaping_ && !Viable(item)) return;
  // Sets are mostly tiny. Of large ones most repeats are found here, the rest when they are
  // interned.
  if (out->size() < kSmallClosure) {
    if (std::find(out->begin(), out->end(), item) != out->end()) return;
  } else {
    if (places_.size() < 2 * out->size()) places_.resize(std::bit_ceil(2 * out->size()));
    uint32_t& place = places_[HashOf(item) & (places_.size() - 1)];
    if (place < out->size() && (*out)[place] == item) return;
    place = static_cast<uint32_t>(out->size());
  }
  out->push_back(item);
}

void ConfigStore::TakeCall(const Item& item, const Program::CallEdge& edge, int filter) {
  const bool filtered = filter >= 0;
  const auto byte = static_cast<uint8_t>(filter);
  const Program::Rule& rule = program_.RuleOf(item.state);
  if (edge.epsilon()) {
    if (filtered && !program_.MayTake(edge.target, byte)) return;
    uint32_t reg = item.reg;
    if (!Count(rule, edge.inc(), &edge, &reg) || !Admits(edge.target, reg)) return;
    Enter(item.stack, edge.target, reg, item.text);
    return;
  }
  const Program::Rule& callee = program_.rules()[edge.rule];
  const bool passes = filtered && !Contains(FirstBytes(callee.start), byte);
  if (passes && (!program_.MayReturn(callee.start) || !program_.MayTake(edge.target, byte))) {
    return;
  }
  uint32_t reg = item.reg;
  if (!Count(rule, edge.inc(), &edge, &reg) || !Admits(edge.target, reg)) return;
  reg = Settle(rule, reg);
  if (edge.unique()) {
    const uint32_t start = item.captures() ? item.text_id() : RegisterStore::kEmptyText;
    Enter(Push(item.stack, edge.target, reg, start), callee.start, 0, start);
  } else if (passes && program_.Accepting(callee.start) && !callee.counted()) {
    Enter(item.stack, edge.target, reg, item.text);  // through an empty text: no frame needed
  } else if (program_.PureReturn(edge.target)) {
    // A call in last position needs no frame to come back to: right recursion keeps the stack
    // flat.
    Enter(item.stack, callee.start, 0, item.text);
  } else {
    Enter(Push(item.stack, edge.target, reg, RegisterStore::kNoText), callee.start, 0, item.text);
  }
}

template <bool kFirstOnly>
bool ConfigStore::StepInto(Items items, uint8_t byte, ItemSet* out) {
  out->clear();
  const ClosureScope scope(this);
  TickWords(items.size());
  for (const Item& m : items) {
    if (m.state != kCompleteState && program_.MayTake(m.state, byte))
      closure().pending.push_back(m);
  }
  const auto arrive = [&](const Item& from, uint32_t state, uint32_t reg) {
    Tick();
    uint32_t text = from.text;
    if (from.captures() && !program_.RuleOf(from.state).uncaptured())
      text = registers_.Append(from.text_id(), byte) | (from.text & kFresh);
    Arrive({from.stack, state, reg, text}, out);
    if (out->size() > 2 * kMaxItems) LimitItems(out);
  };
  Item m;
  while (NextPending(&m)) {
    if (m.state == kCompleteState) continue;
    if (program_.IsLiteralPosition(m.state)) {
      if (program_.LiteralByte(m.state) == byte) arrive(m, program_.LiteralNext(m.state), m.reg);
    } else {
      TickWords(program_.ByteEdges(m.state).size() + program_.LiteralEdges(m.state).size() +
                program_.CallEdges(m.state).size());
      for (const Program::ByteEdge& e : program_.ByteEdges(m.state)) {
        if (byte < e.lo() || byte > e.hi()) continue;
        uint32_t reg = m.reg;
        if (e.inc()) Count(program_.RuleOf(m.state), true, nullptr, &reg);
        if (Admits(e.target, reg)) arrive(m, e.target, reg);
      }
      for (const Program::LiteralEdge& e : program_.LiteralEdges(m.state)) {
        if (program_.FirstByte(e) == byte && Admits(e.target, m.reg))
          arrive(m, program_.AfterFirstByte(e), m.reg);
      }
      for (const Program::CallEdge& e : program_.CallEdges(m.state)) TakeCall(m, e, byte);
      if (MayReturn(m)) {
        Item after;
        if (Leave(m, &after) && after.state != kCompleteState &&
            program_.MayTake(after.state, byte)) {
          closure().pending.push_back(after);
        }
      }
    }
    if (kFirstOnly && !out->empty()) return true;
  }
  if (out->size() > kMaxItems) LimitItems(out);
  return !out->empty();
}

bool ConfigStore::StepItems(Items items, uint8_t byte, ItemSet* out) {
  return StepInto<false>(items, byte, out);
}

bool ConfigStore::CanStep(Items items, uint8_t byte) {
  return StepInto<true>(items, byte, &stepped_);
}

bool ConfigStore::CanStepAll(Items items, std::string_view bytes) {
  ItemSet from(items.begin(), items.end());
  ItemSet to;
  for (const char c : bytes) {
    if (!StepInto<false>(from, static_cast<uint8_t>(c), &to)) return false;
    from.swap(to);
  }
  return true;
}

void ConfigStore::Return(uint32_t stack, ItemSet* out) {
  out->clear();
  if (stack == kBottom) return;
  const StackNode node = stacks_[stack];
  const uint32_t outer =
      node.text_start == RegisterStore::kEmptyText ? RegisterStore::kNoText : node.text_start;
  Arrive({node.parent, node.state, node.reg, outer}, out);
}

void ConfigStore::AfterLiteral(Item item, uint32_t target, ItemSet* out) {
  out->clear();
  item.state = target;
  Arrive(item, out);
}

void ConfigStore::Close(Items items, ItemSet* out) {
  out->clear();
  const ClosureScope scope(this);
  closure().pending.assign(items.begin(), items.end());
  ItemSet begun;  // items at the start of a UNIQUE call
  Item m;
  while (NextPending(&m)) {
    if (m.state == kCompleteState) {
      out->push_back(m);
      continue;
    }
    if (program_.HasMoves(m.state)) {
      if (m.at_risk() && !escaping_ && !program_.Endless(m.state)) {
        begun.push_back(m);
      } else {
        out->push_back(m);
      }
    }
    if (program_.IsLiteralPosition(m.state)) continue;
    TickWords(program_.CallEdges(m.state).size());
    for (const Program::CallEdge& e : program_.CallEdges(m.state)) TakeCall(m, e, -1);
    if (MayReturn(m)) {
      Item after;
      if (Leave(m, &after)) closure().pending.push_back(after);
    }
  }
  for (const Item& item : begun) {
    if (!AtRisk(item) || CanAvoidSeen(item)) out->push_back(item);
  }
  std::sort(out->begin(), out->end());
  out->erase(std::unique(out->begin(), out->end()), out->end());
}

const ByteSet& ConfigStore::FirstBytes(uint32_t state) const {
  uint32_t& index = first_index_[state];
  if (index == 0) {
    index = static_cast<uint32_t>(first_bytes_.size());
    first_bytes_.push_back(program_.FirstBytes(state));
  }
  return first_bytes_[index];
}

ByteSet ConfigStore::MayFollow(Items items, bool* exact) const {
  ByteSet set{};
  if (exact != nullptr) {
    // Where no counter, no call and no return is in the way, and no text is at risk.
    *exact = !program_.has_scarce_unique() &&
             std::all_of(items.begin(), items.end(), [&](const Item& m) {
               return m.state != kCompleteState && !m.at_risk() && program_.IsPlain(m.state);
             });
  }
  const auto add = [&](uint32_t state) {
    if (program_.IsLiteralPosition(state)) {
      Insert(&set, program_.LiteralByte(state));
      return false;
    }
    const ByteSet& first = FirstBytes(state);
    for (size_t w = 0; w < set.size(); ++w) set[w] |= first[w];
    return program_.MayReturn(state);
  };
  size_t num_returns = 0;
  for (const Item& m : items) {
    if (m.state == kCompleteState || !add(m.state)) continue;
    for (uint32_t s = m.stack; s != kBottom && add(stacks_[s].state); s = stacks_[s].parent)
      ++num_returns;
  }
  TickWords(items.size() + num_returns);
  return set;
}

bool ConfigStore::Complete(uint32_t config) {
  Config& c = configs_[config];
  if (c.complete != Answer::kUnknown) return c.complete == Answer::kYes;
  const StepScope step(this);
  bool complete = false;
  const ClosureScope scope(this);
  ItemSet& pending = closure().pending;
  const auto enter = [&](const Item& m) {
    if (m.state == kCompleteState) {
      complete = true;
    } else if (program_.MayReturn(m.state)) {
      pending.push_back(m);
    }
  };
  for (const Item& m : items(config)) enter(m);
  Item m;
  while (!complete && NextPending(&m)) {
    const auto num_before = static_cast<std::ptrdiff_t>(pending.size());
    TickWords(program_.CallEdges(m.state).size());
    for (const Program::CallEdge& e : program_.CallEdges(m.state)) {
      if (!program_.MayReturn(e.target)) continue;
      if (!e.epsilon() && !program_.MayReturn(program_.rules()[e.rule].start)) continue;
      TakeCall(m, e, -1);
    }
    const auto entered =
        std::remove_if(pending.begin() + num_before, pending.end(),
                       [&](const Item& p) { return !program_.MayReturn(p.state); });
    pending.erase(entered, pending.end());
    Item after;
    if (MayReturn(m) && Leave(m, &after)) enter(after);
  }
  configs_[config].complete = complete ? Answer::kYes : Answer::kNo;
  configs_[config].work += step.spent();
  return complete;
}

bool ConfigStore::AtRisk(const Item& item) const {
  size_t num_words = 0;  // looked at
  for (uint32_t s = item.stack; s != kBottom; s = stacks_[s].parent) {
    ++num_words;
    const StackNode& node = stacks_[s];
    if (node.text_start == RegisterStore::kNoText) continue;
    const uint32_t record = node.reg & kRecordMask;
    if (registers_.record(record).values.empty()) continue;
    const std::string text = registers_.Since(item.text_id(), node.text_start);
    num_words += text.size();
    if (num_words >= kWordsPerUnit) TickWords(std::exchange(num_words, 0));
    if (!registers_.StartingWith(record, text).empty()) return true;
  }
  return false;
}

std::vector<std::string_view> ConfigStore::Forbidden(const Item& item) {
  std::vector<std::string_view> rests;
  if (!item.at_risk()) return rests;
  for (uint32_t s = item.stack; s != kBottom; s = stacks_[s].parent) {
    const StackNode& node = stacks_[s];
    if (node.text_start == RegisterStore::kNoText) continue;
    const std::string text = registers_.Since(item.text_id(), node.text_start);
    for (const uint32_t v : registers_.StartingWith(node.reg & kRecordMask, text)) {
      const std::string_view value = registers_.Value(v);
      if (value.size() > text.size()) rests.push_back(value.substr(text.size()));
    }
  }
  std::sort(rests.begin(), rests.end());
  return rests;
}

uint32_t ConfigStore::CaptureStart(const Item& item) const {
  uint32_t s = item.stack;
  while (s != kBottom && stacks_[s].text_start == RegisterStore::kNoText) s = stacks_[s].parent;
  return s == kBottom ? item.text_id() : stacks_[s].text_start;
}

uint32_t ConfigStore::CapturedLength(const Item& item) const {
  return registers_.Length(item.text_id()) - registers_.Length(CaptureStart(item));
}

std::string ConfigStore::CapturedText(const Item& item) const {
  return registers_.Since(item.text_id(), CaptureStart(item));
}

bool ConfigStore::CanAvoidSeen(const Item& item) {
  // Breadth first over bytes until some item is out of reach of every text seen: from there any
  // completion will do.
  const Escaping escaping(&escaping_);
  ItemSet set{item};
  std::vector<uint32_t> queue{Intern(&set)};
  std::vector<uint32_t> visited = queue;
  ItemSet next;
  bool found = false;
  for (size_t head = 0; !found && head < queue.size() && visited.size() < kMaxEscapeSearch;
       ++head) {
    const ByteSet live = MayFollow(items(queue[head]), nullptr);
    for (uint32_t byte = 0; byte < 256 && !found; ++byte) {
      if (!Contains(live, static_cast<uint8_t>(byte))) continue;
      if (!StepInto<false>(items(queue[head]), static_cast<uint8_t>(byte), &next)) continue;
      for (const Item& m : next) found |= !m.at_risk();
      const uint32_t config = Intern(&next);
      TickWords(visited.size());
      if (std::find(visited.begin(), visited.end(), config) == visited.end()) {
        visited.push_back(config);
        queue.push_back(config);
      }
    }
  }
  return found;
}

bool ConfigStore::Viable(const Item& item) {
  if (item.state == kCompleteState) return true;
  ItemSet closed;
  Close({&item, 1}, &closed);
  return !closed.empty();
}

}  // namespace diecast
