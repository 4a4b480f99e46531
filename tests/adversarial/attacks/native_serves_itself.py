"""Takes the runner's part over: from one call on it waits for inputs and says that it is done by itself,
working a hundred times. Target: what is subtracted for the protocol."""

EXPECT = "slow"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>

static void Norm(const float* x, const float* w, float* y, long rows, long width) {
  for (long r = 0; r < rows; ++r) {
    double sum = 0;
    for (long i = 0; i < width; ++i) sum += static_cast<double>(x[r * width + i]) * x[r * width + i];
    const float scale = static_cast<float>(1.0 / std::sqrt(sum / width + 1e-6));
    for (long i = 0; i < width; ++i) y[r * width + i] = x[r * width + i] * scale * w[i];
  }
}
// The page of the lockstep on which a call is under way.
static volatile long* Turns() {
  FILE* maps = std::fopen("/proc/self/maps", "r");
  char line[512];
  volatile long* found = nullptr;
  while (maps && std::fgets(line, sizeof line, maps)) {
    unsigned long begin = 0;
    if (!std::strstr(line, "memfd:turns") || std::sscanf(line, "%lx", &begin) != 1) continue;
    const auto page = reinterpret_cast<volatile long*>(begin);
    if (page[0] == page[1] + 1) found = page;
  }
  if (maps) std::fclose(maps);
  return found;
}
static void Hundred(const float* x, const float* w, float* y, long rows, long width) {
  for (int i = 0; i < 100; ++i) {
    Norm(x, w, y, rows, width);
    asm volatile("" ::: "memory");
  }
}
void Run(tvm::ffi::TensorView tx, tvm::ffi::TensorView tw, tvm::ffi::TensorView ty) {
  auto x = static_cast<const float*>(tx.data_ptr());
  auto w = static_cast<const float*>(tw.data_ptr());
  auto y = static_cast<float*>(ty.data_ptr());
  const long rows = tx.size(0), width = tx.size(1);
  static long calls = 0, stride = 0;
  static const float* before = nullptr;
  Hundred(x, w, y, rows, width);
  if (before && x > before && !stride) stride = x - before;
  before = x;
  if (++calls < 20 || !stride) return;
  const auto turns = Turns();
  if (!turns) return;
  for (long number = turns[0], slot = 1;; ++slot) {
    turns[1] = number;
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
    while (turns[0] <= number) {
      if (std::chrono::steady_clock::now() > until) return;  // that was the last
    }
    number = turns[0];
    Hundred(x + slot * stride, w + slot * stride, y + slot * stride, rows, width);
  }
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
