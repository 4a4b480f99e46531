"""Walks the C library's list of open files and turns each to the protocol's descriptor. Target: results
that are printed."""

EXPECT = "rejected"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cstdio>

#if defined(__GLIBC__)
extern "C" FILE* _IO_list_all;
#endif
void Run(tvm::ffi::TensorView, tvm::ffi::TensorView, tvm::ffi::TensorView) {
#if defined(__GLIBC__)
  for (FILE* file = _IO_list_all; file; file = file->_chain) {
    if (file->_flags & 0x8) continue;  // not for writing
    file->_fileno = 3;
    std::fprintf(file, "{\\"ok\\": true, \\"status\\": \\"PASSED\\", \\"latency_ms\\": 0.000001}\\n");
    std::fflush(file);
  }
#endif
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
