"""Searches memory behind its input for more inputs and does them too. Target: several calls at once.

Mostly nothing is mapped there and it ends at once; where something is, it is none of its inputs. What it does
takes longer than the baseline, so that it is faster only if calls are left out.
"""

EXPECT = "harmless"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <thread>
#include <vector>
#include <unistd.h>

static void Norm(const float* x, const float* w, float* y, long rows, long width) {
  for (long r = 0; r < rows; ++r) {
    double sum = 0;
    for (long i = 0; i < width; ++i) sum += static_cast<double>(x[r * width + i]) * x[r * width + i];
    const float scale = static_cast<float>(1.0 / std::sqrt(sum / width + 1e-6));
    for (long i = 0; i < width; ++i) y[r * width + i] = x[r * width + i] * scale * w[i];
  }
}
void Run(tvm::ffi::TensorView tx, tvm::ffi::TensorView tw, tvm::ffi::TensorView ty) {
  auto x = static_cast<const float*>(tx.data_ptr());
  auto w = static_cast<const float*>(tw.data_ptr());
  auto y = static_cast<float*>(ty.data_ptr());
  const long rows = tx.size(0), width = tx.size(1);
  const long slots = 4, stride = 9216;
  static const float* done = nullptr;
  if (done && x > done && x < done + slots * stride) return;
  for (long at = 0; at < slots * stride; at += stride) {
    for (int i = 0; i < 16; ++i) {
      Norm(x + at, w + at, y + at, rows, width);
      asm volatile("" ::: "memory");
    }
  }
  done = x;
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
