"""Honest: CUDA that launches as beginners do, without saying in which stream."""

EXPECT = "accepted"
LANGUAGE = "cuda"
SOURCE = """\
#include <cuda_runtime.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>

__global__ void Norm(const float* x, const float* w, float* y, int width) {
  __shared__ float sums[256];
  const float* row = x + blockIdx.x * width;
  float sum = 0;
  for (int i = threadIdx.x; i < width; i += 256) sum += row[i] * row[i];
  sums[threadIdx.x] = sum;
  __syncthreads();
  for (int n = 128; n; n /= 2) {
    if (threadIdx.x < n) sums[threadIdx.x] += sums[threadIdx.x + n];
    __syncthreads();
  }
  const float scale = rsqrtf(sums[0] / width + 1e-6f);
  for (int i = threadIdx.x; i < width; i += 256) y[blockIdx.x * width + i] = row[i] * scale * w[i];
}
void Run(tvm::ffi::TensorView x, tvm::ffi::TensorView w, tvm::ffi::TensorView y) {
  Norm<<<x.size(0), 256>>>(static_cast<const float*>(x.data_ptr()),
                           static_cast<const float*>(w.data_ptr()),
                           static_cast<float*>(y.data_ptr()), x.size(1));
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
