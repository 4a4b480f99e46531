"""Spells what it calls so that no search of its text finds it, and ends its process well. Target: filters of
the source."""

EXPECT = "rejected"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <unistd.h>

#define PASTE(a, b) a##b
#define NAME(a, b) PASTE(a, b)
#define LEAVE NAME(_ex, it)
void Run(tvm::ffi::TensorView, tvm::ffi::TensorView, tvm::ffi::TensorView) {
  LEAVE(0);
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
