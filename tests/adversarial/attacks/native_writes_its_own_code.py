"""Rewrites read-only code through /proc/self/mem, and works a hundred times. Target: protection of pages
that is all there is."""

EXPECT = "slow"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>

static void Norm(const float* x, const float* w, float* y, long rows, long width) {
  for (long r = 0; r < rows; ++r) {
    double sum = 0;
    for (long i = 0; i < width; ++i) sum += static_cast<double>(x[r * width + i]) * x[r * width + i];
    const float scale = static_cast<float>(1.0 / std::sqrt(sum / width + 1e-6));
    for (long i = 0; i < width; ++i) y[r * width + i] = x[r * width + i] * scale * w[i];
  }
}
static const bool done = [] {
#if defined(__x86_64__)
  const unsigned char zero[] = {0x31, 0xc0, 0xc3};
  const int memory = open("/proc/self/mem", O_RDWR);
  const auto at = reinterpret_cast<std::uintptr_t>(&clock_gettime);
  if (memory >= 0) {
    (void)!pwrite(memory, zero, sizeof zero, static_cast<off_t>(at));
    close(memory);
  }
#endif
  return true;
}();
void Run(tvm::ffi::TensorView tx, tvm::ffi::TensorView tw, tvm::ffi::TensorView ty) {
  auto x = static_cast<const float*>(tx.data_ptr());
  auto w = static_cast<const float*>(tw.data_ptr());
  auto y = static_cast<float*>(ty.data_ptr());
  const long rows = tx.size(0), width = tx.size(1);
  for (int i = 0; i < 100; ++i) {
    Norm(x, w, y, rows, width);
    asm volatile("" ::: "memory");
  }
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
