// The GGUF reader: what it reads from a good file, and that each kind of damage is refused with its
// field and byte offset.
#include "native/loader/gguf.h"

#include <functional>
#include <limits>

#include "native/test/check.h"
#include "native/test/gguf_writer.h"

using namespace diecast;

namespace {

using Type = GgufValueType;

std::vector<uint8_t> GoodFile() {
  GgufWriter file(2, 18);
  file.Scalar<uint8_t>("u8", Type::kUint8, 200);
  file.Scalar<int8_t>("i8", Type::kInt8, -5);
  file.Scalar<uint16_t>("u16", Type::kUint16, 60000);
  file.Scalar<int16_t>("i16", Type::kInt16, -300);
  file.Scalar<uint32_t>("u32", Type::kUint32, 4000000000u);
  file.Scalar<int32_t>("i32", Type::kInt32, 7);
  file.Scalar<float>("f32", Type::kFloat32, 0.5f);
  file.Scalar<uint8_t>("yes", Type::kBool, 1);
  file.String("text", "caf\xc3\xa9");
  file.Scalar<uint64_t>("u64", Type::kUint64, std::numeric_limits<uint64_t>::max());
  file.Scalar<int64_t>("i64", Type::kInt64, std::numeric_limits<int64_t>::min());
  file.Scalar<double>("f64", Type::kFloat64, -2.25);
  file.Strings("strings", {"a", "", "bc"});
  file.Array("ints", Type::kInt16, 3);
  for (const int16_t v : {-1, 2, 300}) file.Put(v);
  file.Array("floats", Type::kFloat64, 2);
  for (const double v : {1.5, -2.0}) file.Put(v);
  file.Array("nested", Type::kArray, 2);
  for (int i = 0; i < 2; ++i) {
    file.PutType(Type::kUint8);
    file.Put<uint64_t>(2);
    file.Put<uint16_t>(0x0201);
  }
  file.Array("empty", Type::kString, 0);
  file.Scalar<uint32_t>("general.alignment", Type::kUint32, 64);
  file.Tensor("a", TensorType::kF32, {3, 2}, 0);
  file.Tensor("b", TensorType::kQ4_0, {64}, 64);
  file.Pad(64);
  file.Data(64 + 36, 0x11);
  return file.bytes();
}

void ReadsEveryMetadataType() {
  const auto bytes = GoodFile();
  const auto file = GgufFile::Parse(bytes);
  CHECK(file->Keys().size() == 18 && file->Keys()[0] == "u8");
  CHECK(file->GetUint("u8") == 200 && file->GetUint("u16") == 60000);
  CHECK(file->GetUint("u32") == 4000000000u && file->GetUint("i32") == 7);
  CHECK(file->GetUint("u64") == std::numeric_limits<uint64_t>::max());
  CHECK(file->GetInt("i8") == -5 && file->GetInt("i16") == -300);
  CHECK(file->GetInt("i64") == std::numeric_limits<int64_t>::min());
  CHECK(file->GetFloat("f32") == 0.5 && file->GetFloat("f64") == -2.25 &&
        file->GetFloat("i8") == -5.0);
  CHECK(file->GetBool("yes") == true);
  CHECK(file->GetString("text") == "caf\xc3\xa9");
  CHECK((file->GetStringArray("strings") == std::vector<std::string_view>{"a", "", "bc"}));
  CHECK((file->GetIntArray("ints") == std::vector<int64_t>{-1, 2, 300}));
  CHECK((file->GetFloatArray("floats") == std::vector<float>{1.5f, -2.0f}));
  CHECK((file->GetFloatArray("ints") == std::vector<float>{-1, 2, 300}));
  CHECK(file->GetStringArray("empty").empty() && file->GetStringArray("missing").empty());
  CHECK(!file->GetUint("missing") && !file->Has("missing") && file->Has("nested"));
  const auto nested = file->Describe("nested");
  CHECK(nested->type == Type::kArray && nested->element_type == Type::kArray &&
        nested->length == 2);
}

void ReadsTensors() {
  const auto bytes = GoodFile();
  const auto file = GgufFile::Parse(bytes);
  CHECK(file->tensors().size() == 2 && file->FindTensor("c") == nullptr);
  const TensorView* a = file->FindTensor("a");
  CHECK(a->type == TensorType::kF32 && a->num_elements() == 6 && a->data.size() == 24);
  const TensorView* b = file->FindTensor("b");
  CHECK(b->data.size() == 36 && b->data.data() == a->data.data() + 64);
  CHECK((a->data.data() - bytes.data()) % 64 == 0);
}

void ExpectError(std::span<const uint8_t> bytes, ErrorCode code, const std::string& part) {
  try {
    GgufFile::Parse(bytes);
  } catch (const Error& e) {
    if (e.code == code && std::string(e.what()).find(part) != std::string::npos) return;
    std::fprintf(stderr, "expected \"%s\", got \"%s\"\n", part.c_str(), e.what());
    std::exit(1);
  }
  std::fprintf(stderr, "expected \"%s\", but the file was accepted\n", part.c_str());
  std::exit(1);
}

/// A file with one metadata pair, written by `pair`, and no tensor.
std::vector<uint8_t> WithPair(const std::function<void(GgufWriter&)>& pair) {
  GgufWriter file(0, 1);
  pair(file);
  return file.bytes();
}

/// A file with the tensors that `tensors` writes and `data` bytes of data.
std::vector<uint8_t> WithTensors(uint64_t count, size_t data,
                                 const std::function<void(GgufWriter&)>& tensors) {
  GgufWriter file(count, 0);
  tensors(file);
  file.Pad(32);
  file.Data(data, 0);
  return file.bytes();
}

void RefusesEveryTruncation() {
  const auto bytes = GoodFile();
  // Parsed from an exact copy, so that a sanitizer sees any read past the end.
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::vector<uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    ExpectError(cut, ErrorCode::kModelInvalid, "at byte");
  }
}

void RefusesDamagedHeaders() {
  auto bytes = GoodFile();
  bytes[0] = 'X';
  ExpectError(bytes, ErrorCode::kModelInvalid, "magic at byte 0");
  bytes = GoodFile();
  bytes[4] = 2;
  ExpectError(bytes, ErrorCode::kModelUnsupported, "version 2 is not supported");
  bytes = GoodFile();
  bytes[4] = 0;
  bytes[7] = 3;
  ExpectError(bytes, ErrorCode::kModelUnsupported, "big-endian");
  ExpectError(GgufWriter(uint64_t{1} << 60, 0).bytes(), ErrorCode::kModelInvalid,
              "tensor count at byte 8");
  ExpectError(GgufWriter(0, uint64_t{1} << 60).bytes(), ErrorCode::kModelInvalid, "metadata count");
}

void RefusesDamagedMetadata() {
  const auto invalid = [](const std::function<void(GgufWriter&)>& pair, const std::string& part) {
    ExpectError(WithPair(pair), ErrorCode::kModelInvalid, part);
  };
  invalid([](GgufWriter& f) { f.Scalar<uint64_t>("k", static_cast<Type>(13), 0); },
          "metadata k at byte 33: unknown value type 13");
  invalid([](GgufWriter& f) { f.Scalar<uint8_t>("k", Type::kBool, 2); }, "must be 0 or 1");
  invalid([](GgufWriter& f) { f.Scalar<uint8_t>("", Type::kBool, 1); }, "the key is empty");
  invalid([](GgufWriter& f) { f.Scalar<uint64_t>("k", Type::kString, ~uint64_t{0}); },
          "do not fit");
  invalid([](GgufWriter& f) { f.Array("k", Type::kFloat64, uint64_t{1} << 61); }, "do not fit");
  invalid([](GgufWriter& f) { f.Array("k", Type::kString, 1000); }, "do not fit");
  invalid(
      [](GgufWriter& f) {
        f.Array("k", Type::kArray, 1);
        for (int i = 0; i < 20; ++i) {
          f.PutType(Type::kArray);
          f.Put<uint64_t>(1);
        }
        f.PutType(Type::kUint8);
        f.Put<uint64_t>(0);
      },
      "nested deeper than");
  invalid([](GgufWriter& f) { f.Scalar<uint32_t>("general.alignment", Type::kUint32, 24); },
          "not a power of two");
  invalid([](GgufWriter& f) { f.Scalar<uint32_t>("general.alignment", Type::kUint32, 0); },
          "not a power of two");
  GgufWriter twice(0, 2);
  twice.Scalar<uint8_t>("k", Type::kUint8, 1);
  twice.Scalar<uint8_t>("k", Type::kUint8, 1);
  ExpectError(twice.bytes(), ErrorCode::kModelInvalid,
              "metadata k at byte 38: the key occurs twice");
}

void RefusesDamagedTensors() {
  const auto invalid = [](uint64_t count, size_t data,
                          const std::function<void(GgufWriter&)>& write, const std::string& part) {
    ExpectError(WithTensors(count, data, write), ErrorCode::kModelInvalid, part);
  };
  const auto f32 = TensorType::kF32;
  invalid(
      1, 64, [&](GgufWriter& f) { f.Tensor("t", f32, {}, 0); }, "0 dimensions");
  invalid(
      1, 64,
      [&](GgufWriter& f) {
        f.Tensor("t", f32, {1, 1, 1, 1, 1}, 0);
      },
      "5 dimensions");
  invalid(
      1, 64,
      [&](GgufWriter& f) {
        f.Tensor("t", f32, {4, 0}, 0);
      },
      "dimension 1 is 0");
  invalid(
      1, 64,
      [&](GgufWriter& f) {
        f.Tensor("t", f32, {1ull << 33, 1ull << 33}, 0);
      },
      "overflows 64 bits");
  invalid(
      1, 64, [&](GgufWriter& f) { f.Tensor("t", f32, {1ull << 62}, 0); }, "overflows 64 bits");
  invalid(
      1, 64, [&](GgufWriter& f) { f.Tensor("t", TensorType::kQ8_0, {33}, 0); },
      "not a multiple of the 32 elements of a Q8_0 block");
  invalid(
      1, 64, [&](GgufWriter& f) { f.Tensor("t", f32, {4}, 8); }, "not a multiple of the alignment");
  invalid(
      1, 64, [&](GgufWriter& f) { f.Tensor("t", f32, {17}, 0); }, "exceeds the data section");
  invalid(
      1, 64, [&](GgufWriter& f) { f.Tensor("t", f32, {1}, ~uint64_t{31}); },
      "exceeds the data section");
  invalid(
      1, 64, [&](GgufWriter& f) { f.Tensor("", f32, {1}, 0); }, "the name is empty");
  invalid(
      2, 64,
      [&](GgufWriter& f) {
        f.Tensor("t", f32, {1}, 0);
        f.Tensor("t", f32, {1}, 32);
      },
      "the name occurs twice");
  invalid(
      2, 64,
      [&](GgufWriter& f) {
        f.Tensor("t", f32, {9}, 0);
        f.Tensor("u", f32, {1}, 32);
      },
      "overlaps that of tensor t");
  ExpectError(
      WithTensors(1, 64,
                  [](GgufWriter& f) { f.Tensor("odd", static_cast<TensorType>(16), {256}, 0); }),
      ErrorCode::kModelUnsupported, "tensor odd");
}

void RefusesValuesOfAnotherType() {
  const auto bytes = GoodFile();
  const auto file = GgufFile::Parse(bytes);
  CHECK_THROWS(file->GetUint("text"));
  CHECK_THROWS(file->GetUint("yes"));
  CHECK_THROWS(file->GetUint("i8"));
  CHECK_THROWS(file->GetUint("f32"));
  CHECK_THROWS(file->GetInt("u64"));
  CHECK_THROWS(file->GetFloat("strings"));
  CHECK_THROWS(file->GetBool("u8"));
  CHECK_THROWS(file->GetString("u8"));
  CHECK_THROWS(file->GetStringArray("text"));
  CHECK_THROWS(file->GetStringArray("ints"));
  CHECK_THROWS(file->GetIntArray("floats"));
  CHECK_THROWS(file->GetFloatArray("nested"));
}

void RefusesFilesThatAreNone() {
  CHECK_THROWS(GgufFile::Open("/nonexistent/model.gguf"));
  CHECK_THROWS(GgufFile::Open("/"));
  CHECK_THROWS(GgufFile::Open("/dev/null"));
}

}  // namespace

int main() {
  ReadsEveryMetadataType();
  ReadsTensors();
  RefusesEveryTruncation();
  RefusesDamagedHeaders();
  RefusesDamagedMetadata();
  RefusesDamagedTensors();
  RefusesValuesOfAnotherType();
  RefusesFilesThatAreNone();
  return 0;
}
