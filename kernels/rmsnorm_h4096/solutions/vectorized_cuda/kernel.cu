// RMSNorm for NVIDIA GPUs: one block a row, each thread holds 4 x float4 of it in registers.
#include <cuda_runtime.h>

#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/error.h>
#include <tvm/ffi/extra/c_env_api.h>
#include <tvm/ffi/function.h>

namespace {

constexpr int kHidden = 4096;
constexpr int kThreads = 256;
constexpr int kVectors = kHidden / (kThreads * 4);  // float4 a thread
constexpr int kWarps = kThreads / 32;

__device__ __forceinline__ float WarpSum(float value) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(0xffffffffu, value, offset);
  }
  return value;
}

__global__ void __launch_bounds__(kThreads)
    RmsNorm(const float4* __restrict__ input, const float4* __restrict__ weight,
            float4* __restrict__ output) {
  const float4* row = input + static_cast<size_t>(blockIdx.x) * (kHidden / 4);
  float4* out = output + static_cast<size_t>(blockIdx.x) * (kHidden / 4);
  float4 x[kVectors];
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    x[i] = row[threadIdx.x + i * kThreads];
    sum += x[i].x * x[i].x + x[i].y * x[i].y + x[i].z * x[i].z + x[i].w * x[i].w;
  }
  __shared__ float partial[kWarps];
  sum = WarpSum(sum);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
  __syncthreads();
  sum = WarpSum(threadIdx.x % 32 < kWarps ? partial[threadIdx.x % 32] : 0.0f);
  const float inverse = rsqrtf(sum / kHidden + 1e-6f);
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const float4 w = __ldg(&weight[threadIdx.x + i * kThreads]);
    out[threadIdx.x + i * kThreads] = make_float4(x[i].x * inverse * w.x, x[i].y * inverse * w.y,
                                                  x[i].z * inverse * w.z, x[i].w * inverse * w.w);
  }
}

}  // namespace

void Run(tvm::ffi::TensorView hidden, tvm::ffi::TensorView weight, tvm::ffi::TensorView output) {
  TVM_FFI_ICHECK_EQ(hidden.size(1), kHidden) << "hidden size must be 4096";
  const DLDevice device = hidden.device();
  const auto stream =
      static_cast<cudaStream_t>(TVMFFIEnvGetStream(device.device_type, device.device_id));
  RmsNorm<<<static_cast<unsigned>(hidden.size(0)), kThreads, 0, stream>>>(
      static_cast<const float4*>(hidden.data_ptr()), static_cast<const float4*>(weight.data_ptr()),
      static_cast<float4*>(output.data_ptr()));
}

TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
