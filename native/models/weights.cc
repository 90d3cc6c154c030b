// Tensor lookups with errors that say which tensor, what was found and what the config asks for.
#include "native/models/weights.h"

#include "native/loader/gguf.h"

namespace diecast {
namespace {

std::string ShapeText(const std::vector<uint64_t>& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

[[noreturn]] void ThrowShape(const TensorView& view, const std::string& wanted) {
  throw Error(ErrorCode::kModelInvalid, "tensor " + std::string(view.name) + " has shape " +
                                            ShapeText(view.dims) + "; the configuration asks for " +
                                            wanted);
}

}  // namespace

const TensorView& WeightReader::Find(const std::string& name) const {
  const TensorView* view = file_.FindTensor(name);
  if (view == nullptr) throw Error(ErrorCode::kModelInvalid, "tensor " + name + " is missing");
  return *view;
}

const TensorView& WeightReader::MatrixView(const std::string& name, int rows, int cols) const {
  const TensorView& view = Find(name);
  if (view.dims.size() != 2 || view.dims[0] != static_cast<uint64_t>(cols) ||
      view.dims[1] != static_cast<uint64_t>(rows)) {
    ThrowShape(view, ShapeText({static_cast<uint64_t>(cols), static_cast<uint64_t>(rows)}));
  }
  return view;
}

PackedMatrix WeightReader::Pack(const TensorView& view, int rows, int cols) const {
  return PackMatrix(view.type, view.data.data(), rows, cols, mode_ == WeightMode::kDequantized,
                    pool_);
}

Linear WeightReader::ReadLinear(const std::string& prefix, int rows, int cols) const {
  Linear linear;
  linear.weight = Pack(MatrixView(prefix + ".weight", rows, cols), rows, cols);
  if (file_.FindTensor(prefix + ".bias") != nullptr)
    linear.bias = ReadVector(prefix + ".bias", rows);
  return linear;
}

std::vector<float> WeightReader::ReadVector(const std::string& name, int size) const {
  const TensorView& view = Find(name);
  const uint64_t count = static_cast<uint64_t>(size);
  if (view.num_elements() != count || view.dims.empty() || view.dims[0] != count) {
    ThrowShape(view, ShapeText({count}));
  }
  if (count % TraitsOf(view.type).block_elements != 0) {
    throw Error(ErrorCode::kModelInvalid,
                "tensor " + name + " has a type that does not fit its length");
  }
  std::vector<float> values(count);
  Dequantize(view.type, view.data.data(), values.data(), count);
  return values;
}

}  // namespace diecast
