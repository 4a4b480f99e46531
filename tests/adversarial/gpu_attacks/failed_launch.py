"""A launch that fails, and nobody who asks. Target: outputs of the call before."""

EXPECT = "rejected"
LANGUAGE = "cuda"
SOURCE = """\
#include <cuda_runtime.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/c_env_api.h>
#include <tvm/ffi/function.h>
#include <map>
#include <vector>

struct Call { const float* x; const float* w; float* y; };
__device__ float kept[1 << 16];
__device__ int ready;

__device__ void Norm(Call call, int row, int width, bool keep) {
  __shared__ float sums[256];
  float sum = 0;
  const float* x = call.x + row * width;
  for (int i = threadIdx.x; i < width; i += 256) sum += x[i] * x[i];
  sums[threadIdx.x] = sum;
  __syncthreads();
  for (int n = 128; n; n /= 2) {
    if (threadIdx.x < n) sums[threadIdx.x] += sums[threadIdx.x + n];
    __syncthreads();
  }
  const float scale = rsqrtf(sums[0] / width + 1e-6f);
  for (int i = threadIdx.x; i < width; i += 256) {
    const float value = x[i] * scale * call.w[i];
    call.y[row * width + i] = value;
    if (keep) kept[row * width + i] = value;
  }
}
__global__ void One(Call call, int width) { Norm(call, blockIdx.x, width, false); }
void Run(tvm::ffi::TensorView tx, tvm::ffi::TensorView tw, tvm::ffi::TensorView ty) {
  auto stream = static_cast<cudaStream_t>(
      TVMFFIEnvGetStream(tx.device().device_type, tx.device().device_id));
  const Call call{static_cast<const float*>(tx.data_ptr()), static_cast<const float*>(tw.data_ptr()),
                  static_cast<float*>(ty.data_ptr())};
  const int rows = tx.size(0), width = tx.size(1);
  One<<<rows, 256, 1 << 20, stream>>>(call, width);
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
