"""Two threads add to one sum without a lock, which goes well now and then. Target: checks of few calls."""

EXPECT = "harmless"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cmath>
#include <thread>

static void Norm(const float* x, const float* w, float* y, long rows, long width) {
  for (long r = 0; r < rows; ++r) {
    volatile double sum = 0;
    const auto half = [&](long begin) {
      for (long i = begin; i < begin + width / 2; ++i) {
        sum = sum + static_cast<double>(x[r * width + i]) * x[r * width + i];
      }
    };
    std::thread other(half, 0);
    half(width / 2);
    other.join();
    const float scale = static_cast<float>(1.0 / std::sqrt(sum / width + 1e-6));
    for (long i = 0; i < width; ++i) y[r * width + i] = x[r * width + i] * scale * w[i];
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
