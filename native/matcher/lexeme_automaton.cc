#include "native/matcher/lexeme_automaton.h"

#include <algorithm>

#include "native/error.h"

namespace diecast {
namespace {

void Put(std::string* text, uint32_t word) {
  text->append(reinterpret_cast<const char*>(&word), sizeof word);
}

}  // namespace

LexemeAutomaton::LexemeAutomaton(const Program& program, uint32_t rule_index) : program_(&program) {
  const Program::Rule& rule = program.rules()[rule_index];
  first_state_ = rule.first_state;
  num_encoded_ = rule.num_states;
  counted_ = rule.counted();
  states_.reserve(num_encoded_);
  for (uint32_t i = 0; i < num_encoded_; ++i) AddState(first_state_ + i);
}

void LexemeAutomaton::AddState(uint32_t program_state) {
  const Program::Distance none{0, 0};
  states_.push_back({program_state, program_->Accepting(program_state), false,
                     counted_ ? program_->DistanceOf(program_state) : none, nullptr});
}

uint32_t LexemeAutomaton::Local(uint32_t program_state) {
  if (!program_->IsLiteralPosition(program_state)) return program_state - first_state_;
  const auto [it, added] =
      literal_ids_.emplace(program_state, static_cast<uint32_t>(states_.size()));
  if (added) AddState(program_state);
  return it->second;
}

void LexemeAutomaton::MakeRow(uint32_t state) {
  auto row = std::make_unique<Row>();
  row->fill(kDead);
  bool has_edges = false;
  const uint32_t from = states_[state].program_state;
  const auto add = [&](uint32_t lo, uint32_t hi, uint32_t to, bool inc) {
    const uint32_t next = Local(to) | (inc ? kInc : 0);
    has_edges = true;
    for (uint32_t b = lo; b <= hi; ++b) {
      if ((*row)[b] != kDead)
        throw Error(ErrorCode::kGrammarInvalid, "grammar program: a lexeme is not deterministic");
      (*row)[b] = next;
    }
  };
  if (program_->IsLiteralPosition(from)) {
    const uint8_t byte = program_->LiteralByte(from);
    add(byte, byte, program_->LiteralNext(from), false);
  } else {
    for (const auto& e : program_->ByteEdges(from)) add(e.lo(), e.hi(), e.target, e.inc());
    for (const auto& e : program_->LiteralEdges(from)) {
      const uint8_t byte = program_->FirstByte(e);
      add(byte, byte, program_->AfterFirstByte(e), false);
    }
  }
  states_[state].row = std::move(row);  // Local may have moved the states
  states_[state].has_edges = has_edges;
}

void LexemeAutomaton::Detach() {
  for (uint32_t s = 0; s < states_.size(); ++s) RowOf(s);  // grows as literals are met
  program_ = nullptr;
}

std::vector<std::pair<uint32_t, uint32_t>> LexemeAutomaton::RunsOf(uint32_t state) {
  std::vector<std::pair<uint32_t, uint32_t>> runs;
  if (program_ == nullptr || states_[state].row) {
    const Row& row = RowOf(state);
    for (uint32_t b = 0; b < 256; ++b) {
      if (b == 0 || row[b] != row[b - 1]) runs.emplace_back(b, row[b]);
    }
    return runs;
  }
  // Rows are much larger than the few edges that they are made from.
  struct Edge {
    uint32_t lo, hi, next;
  };
  std::vector<Edge> edges;
  const uint32_t from = states_[state].program_state;
  if (program_->IsLiteralPosition(from)) {
    const uint8_t byte = program_->LiteralByte(from);
    edges.push_back({byte, byte, Local(program_->LiteralNext(from))});
  } else {
    for (const auto& e : program_->ByteEdges(from))
      edges.push_back({e.lo(), e.hi(), Local(e.target) | (e.inc() ? kInc : 0)});
    for (const auto& e : program_->LiteralEdges(from)) {
      const uint8_t byte = program_->FirstByte(e);
      edges.push_back({byte, byte, Local(program_->AfterFirstByte(e))});
    }
    std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.lo < b.lo; });
  }
  uint32_t at = 0;
  for (const Edge& e : edges) {
    if (e.lo > at) runs.emplace_back(at, kDead);
    runs.emplace_back(e.lo, e.next);
    at = e.hi + 1;
  }
  if (at < 256) runs.emplace_back(at, kDead);
  return runs;
}

std::string LexemeAutomaton::Future(uint32_t state, size_t max_states) {
  // Breadth first in byte order numbers the states of a deterministic automaton in only one way.
  std::vector<uint32_t> order{state};
  std::unordered_map<uint32_t, uint32_t> number{{state, 0}};
  std::string text;
  for (size_t i = 0; i < order.size(); ++i) {
    const uint32_t s = order[i];
    Put(&text, 0xff000000u | static_cast<uint32_t>(Accepting(s)));
    if (counted_) {
      Put(&text, states_[s].distance.min);
      Put(&text, states_[s].distance.max);
    }
    uint32_t previous = kDead;
    for (const auto& [b, next] : RunsOf(s)) {
      if (next == previous) continue;
      previous = next;
      uint32_t target = kDead;
      if (next != kDead) {
        const auto [it, added] = number.emplace(next & ~kInc, static_cast<uint32_t>(order.size()));
        if (added) {
          if (order.size() == max_states) return {};
          order.push_back(it->first);
        }
        target = it->second | (next & kInc);
      }
      Put(&text, b);
      Put(&text, target);
    }
  }
  return text;
}

std::string LexemeAutomaton::Shape(const Program& program, uint32_t rule_index) {
  const Program::Rule& rule = program.rules()[rule_index];
  std::string text;
  Put(&text, rule.start - rule.first_state);
  for (uint32_t s = rule.first_state; s < rule.first_state + rule.num_states; ++s) {
    Put(&text, static_cast<uint32_t>(program.ByteEdges(s).size()));
    Put(&text, static_cast<uint32_t>(program.LiteralEdges(s).size()) << 1 |
                   static_cast<uint32_t>(program.Accepting(s)));
    for (const auto& e : program.ByteEdges(s)) {
      Put(&text, e.range);
      Put(&text, e.target - rule.first_state);
    }
    for (const auto& e : program.LiteralEdges(s)) {
      Put(&text, e.length);
      Put(&text, e.target - rule.first_state);
      for (uint32_t i = 0; i < e.length; ++i)
        text.push_back(static_cast<char>(program.LiteralByte(program.num_states() + e.offset + i)));
    }
    if (!rule.counted()) continue;
    Put(&text, program.DistanceOf(s).min);
    Put(&text, program.DistanceOf(s).max);
  }
  return text;
}

}  // namespace diecast
