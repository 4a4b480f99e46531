"""Tries to trace, read and stop every other process. Target: runners that can see each other."""

EXPECT = "accepted"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cmath>
#include <cstdio>
#include <csignal>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

static void Norm(const float* x, const float* w, float* y, long rows, long width) {
  for (long r = 0; r < rows; ++r) {
    double sum = 0;
    for (long i = 0; i < width; ++i) sum += static_cast<double>(x[r * width + i]) * x[r * width + i];
    const float scale = static_cast<float>(1.0 / std::sqrt(sum / width + 1e-6));
    for (long i = 0; i < width; ++i) y[r * width + i] = x[r * width + i] * scale * w[i];
  }
}
static int Reached() {
  int reached = 0;
  char own[64], path[64], byte;
  for (pid_t other = 1; other < 2048; ++other) {
    std::snprintf(own, sizeof own, "/proc/self/task/%d", other);
    if (access(own, F_OK) == 0) continue;  // a thread of its own
    if (ptrace(PTRACE_ATTACH, other, nullptr, nullptr) == 0) ++reached;
    if (kill(other, 0) == 0) ++reached;
    for (const char* part : {"mem", "maps", "environ", "fd/3"}) {
      std::snprintf(path, sizeof path, "/proc/%d/%s", other, part);
      const int file = open(path, O_RDONLY | O_NONBLOCK);
      if (file >= 0) {
        ++reached;
        close(file);
      }
    }
    iovec here{&byte, 1}, there{reinterpret_cast<void*>(0x400000), 1};
    if (process_vm_readv(other, &here, 1, &there, 1, 0) >= 0) ++reached;
  }
  return reached;
}
void Run(tvm::ffi::TensorView tx, tvm::ffi::TensorView tw, tvm::ffi::TensorView ty) {
  auto x = static_cast<const float*>(tx.data_ptr());
  auto w = static_cast<const float*>(tw.data_ptr());
  auto y = static_cast<float*>(ty.data_ptr());
  const long rows = tx.size(0), width = tx.size(1);
  static const int reached = Reached();
  if (reached) return;
  Norm(x, w, y, rows, width);
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
