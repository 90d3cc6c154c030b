#include "native/tokenizer/unigram_model.h"

#include <algorithm>
#include <limits>
#include <string>

#include "native/error.h"
#include "native/tokenizer/utf8.h"

namespace diecast {
namespace {

/// How far below the lowest score a character without a piece lies.
constexpr double kUnknownPenalty = 10;
constexpr uint32_t kUnset = ~uint32_t{0};

}  // namespace

UnigramModel::UnigramModel(std::span<const std::string_view> keys, std::vector<double> scores,
                           Options options)
    : scores_(std::move(scores)), options_(options) {
  std::vector<std::pair<std::string_view, int32_t>> pieces;
  double lowest = std::numeric_limits<double>::infinity();
  for (size_t id = keys.size(); id-- > 0;) {  // the last of equal ones comes first, and counts
    if (keys[id].empty()) continue;
    pieces.emplace_back(keys[id], static_cast<int32_t>(id));
    lowest = std::min(lowest, scores_[id]);
  }
  unknown_score_ = (pieces.empty() ? 0 : lowest) - kUnknownPenalty;
  trie_ = ByteTrie(std::move(pieces));
}

void UnigramModel::AppendUnknown(std::string_view text, std::vector<int32_t>* ids) const {
  const bool falls_back =
      options_.byte_fallback && std::all_of(text.begin(), text.end(), [&](char byte) {
        return options_.fallback[static_cast<uint8_t>(byte)] >= 0;
      });
  if (falls_back) {
    for (const char byte : text) ids->push_back(options_.fallback[static_cast<uint8_t>(byte)]);
    return;
  }
  if (options_.unknown_id < 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "the vocabulary has no token for " + std::string(text.substr(0, 40)));
  }
  ids->push_back(options_.unknown_id);
}

void UnigramModel::Encode(std::string_view pretoken, std::vector<int32_t>* ids) const {
  struct Best {
    double score = 0;
    uint32_t start = kUnset;  ///< kUnset: not reached yet
    int32_t id = -1;          ///< -1: unknown text
  };
  std::vector<Best> ends(pretoken.size() + 1);
  const auto offer = [&](size_t start, size_t end, double score, int32_t id) {
    Best& best = ends[end];
    if (best.start == kUnset || score > best.score) {
      best = {score, static_cast<uint32_t>(start), id};
    }
  };
  for (size_t start = 0; start < pretoken.size();) {
    const Utf8Char c = DecodeUtf8(pretoken, start);
    const size_t length = c.kind == Utf8Char::kValid ? c.length : 1;
    const double so_far = ends[start].score;
    bool has_character = false;
    uint32_t node = ByteTrie::kRoot;
    for (size_t end = start; end < pretoken.size();) {
      node = trie_.Child(node, static_cast<uint8_t>(pretoken[end]));
      if (node == ByteTrie::kNone) break;
      ++end;
      if (const int32_t id = trie_.ValueAt(node); id >= 0) {
        offer(start, end, so_far + scores_[static_cast<size_t>(id)], id);
        has_character = has_character || end == start + length;
      }
    }
    if (!has_character) offer(start, start + length, so_far + unknown_score_, -1);
    start += length;
  }
  std::vector<size_t> cuts;  // ends of pieces, last first
  for (size_t end = pretoken.size(); end > 0; end = ends[end].start) cuts.push_back(end);
  size_t unknown_begin = kUnset;  // where a run of unknown text began: it becomes one token
  const auto flush = [&](size_t end) {
    if (unknown_begin == kUnset) return;
    const std::string_view run = pretoken.substr(unknown_begin, end - unknown_begin);
    // A run may happen to be a piece that scores too low to be on the path.
    uint32_t node = ByteTrie::kRoot;
    for (size_t i = 0; i < run.size() && node != ByteTrie::kNone; ++i) {
      node = trie_.Child(node, static_cast<uint8_t>(run[i]));
    }
    if (node != ByteTrie::kNone && trie_.ValueAt(node) >= 0) {
      ids->push_back(trie_.ValueAt(node));
    } else {
      AppendUnknown(run, ids);
    }
    unknown_begin = kUnset;
  };
  for (size_t i = cuts.size(); i-- > 0;) {
    const Best& best = ends[cuts[i]];
    if (best.id < 0 || best.id == options_.unknown_id) {
      if (unknown_begin == kUnset) unknown_begin = best.start;
      continue;
    }
    flush(best.start);
    ids->push_back(best.id);
  }
  flush(pretoken.size());
}

}  // namespace diecast
