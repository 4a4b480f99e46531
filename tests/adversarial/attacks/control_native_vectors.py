"""Honest: C++ with the compiler's vector types, four sums at a time."""

EXPECT = "accepted"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cmath>
#include <cstring>

typedef float Vector __attribute__((vector_size(16)));
static Vector Load(const float* from) {
  Vector value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
static void Norm(const float* x, const float* w, float* y, long rows, long width) {
  for (long r = 0; r < rows; ++r, x += width, y += width) {
    Vector sums[4] = {};
    for (long i = 0; i < width; i += 16) {
      for (int k = 0; k < 4; ++k) {
        const Vector value = Load(x + i + 4 * k);
        sums[k] += value * value;
      }
    }
    const Vector total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    const float scale = 1.0f / std::sqrt((total[0] + total[1] + total[2] + total[3]) / width + 1e-6f);
    for (long i = 0; i < width; i += 4) {
      const Vector value = Load(x + i) * scale * Load(w + i);
      std::memcpy(y + i, &value, sizeof value);
    }
  }
}
void Run(tvm::ffi::TensorView tx, tvm::ffi::TensorView tw, tvm::ffi::TensorView ty) {
  auto x = static_cast<const float*>(tx.data_ptr());
  auto w = static_cast<const float*>(tw.data_ptr());
  auto y = static_cast<float*>(ty.data_ptr());
  const long rows = tx.size(0), width = tx.size(1);
  Norm(x, w, y, rows, width);
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
