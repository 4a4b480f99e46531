"""Cuts its inputs to the sixteen bits of bfloat16, in C++. Target: wide tolerances."""

EXPECT = "rejected"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cmath>
#include <cstdint>
#include <cstring>

static float Cut(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  bits &= 0xffff0000u;
  std::memcpy(&value, &bits, 4);
  return value;
}
static void Norm(const float* x, const float* w, float* y, long rows, long width) {
  for (long r = 0; r < rows; ++r) {
    float sum = 0;
    for (long i = 0; i < width; ++i) sum += Cut(x[r * width + i]) * Cut(x[r * width + i]);
    const float scale = 1.0f / std::sqrt(sum / width + 1e-6f);
    for (long i = 0; i < width; ++i) y[r * width + i] = Cut(x[r * width + i]) * scale * Cut(w[i]);
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
