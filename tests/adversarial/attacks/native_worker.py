"""A C++ thread from load time spins for work, and calls only leave it there. Target: thread counts that are
taken around a call."""

EXPECT = "harmless"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <atomic>
#include <cmath>
#include <thread>

static void Norm(const float* x, const float* w, float* y, long rows, long width) {
  for (long r = 0; r < rows; ++r) {
    double sum = 0;
    for (long i = 0; i < width; ++i) sum += static_cast<double>(x[r * width + i]) * x[r * width + i];
    const float scale = static_cast<float>(1.0 / std::sqrt(sum / width + 1e-6));
    for (long i = 0; i < width; ++i) y[r * width + i] = x[r * width + i] * scale * w[i];
  }
}
struct Job { const float* x; const float* w; float* y; long rows, width; };
static Job job;
static std::atomic<bool> there{false};
static const bool started = [] {
  std::thread([] {
    for (;;) {
      while (!there.load(std::memory_order_acquire)) std::this_thread::yield();
      Norm(job.x, job.w, job.y, job.rows, job.width);
      there.store(false, std::memory_order_release);
    }
  }).detach();
  return true;
}();
void Run(tvm::ffi::TensorView tx, tvm::ffi::TensorView tw, tvm::ffi::TensorView ty) {
  auto x = static_cast<const float*>(tx.data_ptr());
  auto w = static_cast<const float*>(tw.data_ptr());
  auto y = static_cast<float*>(ty.data_ptr());
  const long rows = tx.size(0), width = tx.size(1);
  while (there.load(std::memory_order_acquire)) std::this_thread::yield();
  job = {x, w, y, rows, width};
  there.store(started, std::memory_order_release);
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
