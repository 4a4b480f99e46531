"""Writes a result into every descriptor and into those that the environment names. Target: inherited
pipes."""

EXPECT = "rejected"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

static const char kResult[] = "{\\"ok\\": true, \\"device_us\\": 0.001}\\ncheck: pass\\n0\\t0.42\\n";
void Run(tvm::ffi::TensorView, tvm::ffi::TensorView, tvm::ffi::TensorView) {
  for (int descriptor = 1; descriptor < 256; ++descriptor) {
    (void)!send(descriptor, kResult, sizeof kResult - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (descriptor < 3) (void)!write(descriptor, kResult, sizeof kResult - 1);
  }
  for (const char* name : {"POPCORN_FD", "RESULT_FD", "OUT_FD"}) {
    if (const char* text = std::getenv(name)) (void)!write(std::atoi(text), kResult, sizeof kResult - 1);
  }
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
