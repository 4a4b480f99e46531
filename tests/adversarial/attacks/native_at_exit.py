"""Ends its process and reports success from handlers and destructors. Target: reports written at exit."""

EXPECT = "rejected"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

static void Report() {
  std::puts("{\\"status\\": \\"PASSED\\", \\"latency_ms\\": 0.000001}");
  std::fflush(stdout);
  (void)!write(3, "{\\"ok\\": true}", 12);
}
struct Last {
  ~Last() { Report(); }
};
static Last last;
__attribute__((destructor)) static void AtTheEnd() { Report(); }
void Run(tvm::ffi::TensorView, tvm::ffi::TensorView, tvm::ffi::TensorView) {
  std::atexit(Report);
  std::exit(0);
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
