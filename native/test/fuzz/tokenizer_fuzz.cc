// Mutates the small tokenizer.json files of the fixtures, loads what still parses, and encodes,
// decodes and streams random bytes with it. Every outcome must be a tokenizer or a diecast::Error;
// run it under sanitizers.
//   tokenizer_fuzz [SECONDS [SEED]]      default 2 seconds; run from the repository root; the seed
//   is printed
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "native/error.h"
#include "native/tokenizer/tokenizer.h"

using namespace diecast;

namespace {

constexpr const char* kFixtures[] = {"test/fixtures/tokenizer/small.json",
                                     "test/fixtures/tokenizer/families.json"};
constexpr size_t kLeastTokenizers = 30;

/// The tokenizers inside a fixture, cut out of its text by matching braces outside of strings.
void AddTokenizersOf(const char* fixture, std::vector<std::string>* found) {
  std::ifstream file(fixture, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string marker = "\"tokenizer\":";
  for (size_t at = text.find(marker); at != std::string::npos; at = text.find(marker, at)) {
    const size_t begin = at + marker.size();
    int depth = 0;
    bool in_string = false;
    size_t end = begin;
    do {
      const char c = text[end];
      if (c == '\\' && in_string) ++end;
      if (c == '"') in_string = !in_string;
      if (!in_string && c == '{') ++depth;
      if (!in_string && c == '}') --depth;
      ++end;
    } while (depth > 0 && end < text.size());
    found->push_back(text.substr(begin, end - begin));
    at = end;
  }
}

void Mutate(std::string* text, std::mt19937_64* random) {
  constexpr std::string_view kPieces[] = {
      "null", "true",         "-1",   "1e9",   "4194304",      "\"\"",    "[]",   "{}", "[",
      "}",    "\"",           ",",    ":",     "\\u0120",      "\\ud800", "\xff", "0",  "\"BPE\"",
      "9",    "[^\\\\p{L}]+", "(?i:", "{1,3}", "\xe2\x96\x81", "<0x41>"};
  const auto below = [&](size_t n) { return static_cast<size_t>((*random)() % n); };
  for (size_t edits = 1 + below(3); edits > 0; --edits) {
    const size_t at = below(text->size());
    const size_t length = std::min(text->size() - at, size_t{1} << below(6));
    switch (below(4)) {
      case 0:
        (*text)[at] = static_cast<char>((*random)());
        break;
      case 1:
        text->replace(at, length, kPieces[below(std::size(kPieces))]);
        break;
      case 2:
        text->erase(at, length);
        break;
      default:
        text->insert(below(text->size()), text->substr(at, length));
        break;
    }
    if (text->empty()) return;
  }
}

void UseAll(const std::shared_ptr<const Tokenizer>& tokenizer, std::mt19937_64* random) {
  constexpr std::string_view kBytes = "ab 1'\n.<s>foo\xc3\xa9\xcc\x81\xe3\x80\x80\xff";
  std::string text;
  for (size_t i = (*random)() % 100; i > 0; --i)
    text.push_back(kBytes[(*random)() % kBytes.size()]);
  for (const bool special : {false, true}) {
    const auto ids = tokenizer->Encode(text, special);
    (void)tokenizer->EncodeDocument(text, special);
    (void)tokenizer->Decode(ids, special);
    StreamDecoder stream(tokenizer, special);
    for (const int32_t id : ids) (void)stream.Push(id);
    (void)stream.Flush();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device()();
  std::printf("tokenizer_fuzz: seed %llu, %g s\n", static_cast<unsigned long long>(seed), seconds);
  std::fflush(stdout);
  std::vector<std::string> valid;
  for (const char* fixture : kFixtures) AddTokenizersOf(fixture, &valid);
  if (valid.size() < kLeastTokenizers) {
    std::fprintf(stderr, "tokenizer_fuzz: the fixtures hold %zu tokenizers, not %zu\n",
                 valid.size(), kLeastTokenizers);
    return 1;
  }
  for (const std::string& json : valid) Tokenizer::FromJson(json);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  uint64_t iteration = 0, loaded = 0, refused = 0;
  for (; iteration == 0 || std::chrono::steady_clock::now() < end; ++iteration) {
    std::mt19937_64 random(seed + iteration);  // SEED = seed + iteration repeats one alone
    std::string json = valid[random() % valid.size()];
    Mutate(&json, &random);
    try {
      UseAll(Tokenizer::FromJson(json), &random);
      ++loaded;
    } catch (const Error&) {
      ++refused;
    } catch (const std::exception& e) {
      std::fprintf(stderr, "tokenizer_fuzz: seed %llu: %s\n",
                   static_cast<unsigned long long>(seed + iteration), e.what());
      return 1;
    }
  }
  std::printf("tokenizer_fuzz: %llu files, %llu loaded, %llu refused\n",
              static_cast<unsigned long long>(iteration), static_cast<unsigned long long>(loaded),
              static_cast<unsigned long long>(refused));
  return loaded > 0 && (refused > 0 || seconds < 1) ? 0 : 1;
}
