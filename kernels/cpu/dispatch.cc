// From a level to its table of kernels.
#include "kernels/cpu/kernels.h"

namespace diecast {

const CpuKernels& KernelsOf(CpuLevel level) {
  switch (level) {
    case CpuLevel::kAmx:
      return AmxKernels();
    case CpuLevel::kAvx512:
      return Avx512Kernels();
    case CpuLevel::kAvx2:
      return Avx2Kernels();
    case CpuLevel::kPortable:
      break;
  }
  return PortableKernels();
}

}  // namespace diecast
