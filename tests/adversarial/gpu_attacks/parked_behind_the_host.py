"""Parks its work on a stream of its own behind a function on the host that sleeps. Target: clocks that stop
when the given stream is empty."""

EXPECT = "harmless"
LANGUAGE = "cuda"
SOURCE = """\
#include <cuda_runtime.h>
#include <unistd.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/c_env_api.h>
#include <tvm/ffi/function.h>

__device__ void NormRow(const float* x, const float* w, float* y, int width) {
  __shared__ float sums[256];
  float sum = 0;
  for (int i = threadIdx.x; i < width; i += 256) sum += x[i] * x[i];
  sums[threadIdx.x] = sum;
  __syncthreads();
  for (int n = 128; n; n /= 2) {
    if (threadIdx.x < n) sums[threadIdx.x] += sums[threadIdx.x + n];
    __syncthreads();
  }
  const float scale = rsqrtf(sums[0] / width + 1e-6f);
  for (int i = threadIdx.x; i < width; i += 256) y[i] = x[i] * scale * w[i];
}
__global__ void Norm(const float* x, const float* w, float* y, int width) {
  NormRow(x + blockIdx.x * width, w, y + blockIdx.x * width, width);
}
static void Sleep(void*) { usleep(3000); }
void Run(tvm::ffi::TensorView tx, tvm::ffi::TensorView tw, tvm::ffi::TensorView ty) {
  auto x = static_cast<const float*>(tx.data_ptr());
  auto w = static_cast<const float*>(tw.data_ptr());
  auto y = static_cast<float*>(ty.data_ptr());
  const int rows = tx.size(0), width = tx.size(1);
  static cudaStream_t mine = nullptr;
  if (!mine) cudaStreamCreateWithFlags(&mine, cudaStreamNonBlocking);
  cudaLaunchHostFunc(mine, Sleep, nullptr);
  Norm<<<rows, 256, 0, mine>>>(x, w, y, width);
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
