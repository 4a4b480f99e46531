"""Leaves a kernel running that waits for work, and calls only ring. Target: kernels that are timed from
launch to end. It ends by itself after two seconds."""

EXPECT = "harmless"
LANGUAGE = "cuda"
SOURCE = """\
#include <cuda_runtime.h>
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
struct Call { const float* x; const float* w; float* y; };
__device__ Call box;
__device__ volatile unsigned bell;
__device__ unsigned long long Now() {
  unsigned long long now;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
  return now;
}
__global__ void Serve(int width) {
  __shared__ unsigned heard;
  const unsigned long long until = Now() + 2000000000ull;
  for (unsigned seen = 0;;) {
    if (threadIdx.x == 0) {
      do heard = bell;
      while (heard == seen && Now() < until);
      __threadfence();
    }
    __syncthreads();
    if (heard == seen) return;  // nobody rang for too long
    seen = heard;
    const volatile Call* call = &box;
    NormRow(call->x + blockIdx.x * width, call->w, call->y + blockIdx.x * width, width);
    __syncthreads();
  }
}
__global__ void Ring(Call call) {
  box = call;
  __threadfence();
  bell = bell + 1;
}
void Run(tvm::ffi::TensorView tx, tvm::ffi::TensorView tw, tvm::ffi::TensorView ty) {
  auto x = static_cast<const float*>(tx.data_ptr());
  auto w = static_cast<const float*>(tw.data_ptr());
  auto y = static_cast<float*>(ty.data_ptr());
  const int rows = tx.size(0), width = tx.size(1);
  auto stream = static_cast<cudaStream_t>(
      TVMFFIEnvGetStream(tx.device().device_type, tx.device().device_id));
  static cudaStream_t mine = nullptr;
  if (!mine) {
    cudaStreamCreateWithFlags(&mine, cudaStreamNonBlocking);
    Serve<<<rows, 256, 0, mine>>>(width);
  }
  Ring<<<1, 1, 0, stream>>>(Call{x, w, y});
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
