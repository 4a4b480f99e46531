// One kernel a kind of machine code. Compiled for sm_90a and sm_100a by the tests, never run.
#include <cstdint>

extern "C" __global__ void copy_narrow(const float* __restrict__ from, float* to, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    to[i] = from[i];
}

extern "C" __global__ void copy_wide(const float4* __restrict__ from, float4* to, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    to[i] = from[i];
}

extern "C" __global__ void double_literal(const float* x, float* y) {
  y[threadIdx.x] = x[threadIdx.x] * 1.1;
}

extern "C" __global__ void atomics(int* counter, float* sums) {
  atomicAdd(counter, 1);
  atomicAdd(sums + threadIdx.x, 1.0f);
  atomicCAS(counter + 1, 1, 2);
}

extern "C" __global__ __launch_bounds__(256, 2) void bulk_copy(uint8_t* data) {
  __shared__ alignas(128) uint8_t tile[4096];
  __shared__ uint64_t full;
  uint32_t to = __cvta_generic_to_shared(tile), bar = __cvta_generic_to_shared(&full);
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(bar));
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], 4096;" ::"r"(bar));
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], 4096, [%2];"
        ::"r"(to), "l"(data), "r"(bar) : "memory");
  }
  __syncthreads();
  asm volatile(
      "{ .reg .pred p; WAIT: mbarrier.try_wait.parity.shared.b64 p, [%0], 0; @!p bra WAIT; }"
      ::"r"(bar) : "memory");
  data[threadIdx.x] = tile[threadIdx.x * 3];
}

extern "C" __global__ void staged_copy(const float4* from, float4* to) {
  __shared__ float4 tile[256];
  uint32_t at = __cvta_generic_to_shared(tile + threadIdx.x);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(at), "l"(from + threadIdx.x));
  asm volatile("cp.async.commit_group; cp.async.wait_group 0;");
  __syncthreads();
  to[threadIdx.x] = tile[255 - threadIdx.x];
}

extern "C" __global__ void warp_mma(const uint32_t* a, float* out, int n) {
  float c[4] = {};
  for (int i = 0; i < n; i++)
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[i]), "r"(a[i + 1]), "r"(a[i + 2]), "r"(a[i + 3]), "r"(a[i + 4]), "r"(a[i + 5]));
  out[threadIdx.x] = c[0] + c[1] + c[2] + c[3];
}

extern "C" __global__ void indexed_array(const float* x, float* out, int k) {
  float r[32], sum = 0;
  for (int i = 0; i < 32; i++) r[i] = x[i * 32 + threadIdx.x];
  for (int i = 0; i < k; i++) {
    r[(i * 7 + k) & 31] += sum;
    sum += r[(i * k) & 31];
  }
  out[threadIdx.x] = sum;
}

extern "C" __global__ void scalar_matmul(const float* a, const float* b, float* c, int n) {
  __shared__ float sa[16][16], sb[16][16];
  int row = blockIdx.y * 16 + threadIdx.y, column = blockIdx.x * 16 + threadIdx.x;
  float sum = 0;
  for (int k = 0; k < n; k += 16) {
    sa[threadIdx.y][threadIdx.x] = a[row * n + k + threadIdx.x];
    sb[threadIdx.y][threadIdx.x] = b[(k + threadIdx.y) * n + column];
    __syncthreads();
    for (int j = 0; j < 16; j++) sum += sa[threadIdx.y][j] * sb[j][threadIdx.x];
    __syncthreads();
  }
  c[row * n + column] = sum;
}

extern "C" __global__ void many_registers(const float* x, float* out, int s) {
  float r[56];
#pragma unroll
  for (int i = 0; i < 56; i++) r[i] = x[i * s + threadIdx.x];
  float sum = 0;
#pragma unroll
  for (int i = 0; i < 56; i++) sum = sum * r[i] + r[55 - i];
  out[threadIdx.x] = sum;
}
