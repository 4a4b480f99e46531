"""Overwrites the beginning of the C library's clocks with code of its own, and works a hundred times.
Target: clocks behind Python."""

EXPECT = "slow"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <sched.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

static void Norm(const float* x, const float* w, float* y, long rows, long width) {
  for (long r = 0; r < rows; ++r) {
    double sum = 0;
    for (long i = 0; i < width; ++i) sum += static_cast<double>(x[r * width + i]) * x[r * width + i];
    const float scale = static_cast<float>(1.0 / std::sqrt(sum / width + 1e-6));
    for (long i = 0; i < width; ++i) y[r * width + i] = x[r * width + i] * scale * w[i];
  }
}
static void Silence(void* function) {
#if defined(__x86_64__)
  const unsigned char zero[] = {0x31, 0xc0, 0xc3};
  const auto size = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  auto page = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(function) & ~(size - 1));
  if (mprotect(page, 2 * size, PROT_READ | PROT_WRITE | PROT_EXEC) == 0) std::memcpy(function, zero, sizeof zero);
#endif
}
static const bool done = [] {
  Silence(reinterpret_cast<void*>(&clock_gettime));
  Silence(reinterpret_cast<void*>(&gettimeofday));
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
