// Twenty-four launches, each with one bottleneck that is known by construction: the ground truth of the
// tests of `ncu/`. `known.json` says which finding must come first; PROVENANCE.md how the report was made.
#include <cstdio>
#include <cstdlib>
#include <mma.h>
#include <cuda_fp16.h>
#include <cuda_profiler_api.h>

constexpr int kThreads = 256;
constexpr int kSMs = 132;           // of an H100 or H200
constexpr size_t kFloats = 1 << 26;  // 256 MiB: five times their L2

__device__ __forceinline__ size_t Index() { return size_t(blockIdx.x) * blockDim.x + threadIdx.x; }

// Neighbouring threads read 128 bytes apart.
__global__ void strided_loads(const float* in, float* out, int n) {
  size_t i = Index();
  if (i < n) out[i] = in[i * 32];
}

// One float of each 32-byte sector is written, and nothing else of it ever is.
__global__ void sparse_stores(const float* in, float* out, int n) {
  size_t i = Index();
  if (i < n) out[i * 8] = in[i];
}

// A transpose through shared memory without padding: a column is one bank.
__global__ void unpadded_transpose(const float* in, float* out, int repeats) {
  __shared__ float tile[32][32];
  int x = threadIdx.x % 32, y = threadIdx.x / 32;
  for (int r = y; r < 32; r += 8) tile[r][x] = in[blockIdx.x * 1024 + r * 32 + x];
  for (int k = 0; k < repeats; ++k) {
    __syncthreads();
    float value[4];
    for (int j = 0; j < 4; ++j) value[j] = tile[x][y + 8 * j];
    __syncthreads();
    for (int j = 0; j < 4; ++j) tile[y + 8 * j][x] = value[j];
  }
  __syncthreads();
  for (int r = y; r < 32; r += 8) out[blockIdx.x * 1024 + r * 32 + x] = tile[r][x];
}

// The same with one column of padding: nothing to complain about but the barriers.
__global__ void padded_transpose(const float* in, float* out) {
  __shared__ float tile[32][33];
  int x = threadIdx.x % 32, y = threadIdx.x / 32;
  for (int r = y; r < 32; r += 8) tile[r][x] = in[blockIdx.x * 1024 + r * 32 + x];
  __syncthreads();
  for (int r = y; r < 32; r += 8) out[blockIdx.x * 1024 + r * 32 + x] = tile[x][r];
}

// A linked list for each thread: the next address is the last value.
__global__ void linked_lists(const int* next, int* out, int hops) {
  int p = int(Index());
  for (int h = 0; h < hops; ++h) p = next[p];
  out[Index()] = p;
}

// One load at a time, and few warps: bandwidth is there, nobody asks for it.
__global__ void one_load_in_flight(const float* in, float* out, int steps) {
  float sum = 0;
  size_t stride = size_t(gridDim.x) * blockDim.x;
#pragma unroll 1
  for (int s = 0; s < steps; ++s) sum = fmaf(sum, 0.5f, in[Index() + s * stride]);
  out[Index()] = sum;
}

// 160 values live at once, and registers for a quarter of them.
__global__ void __launch_bounds__(512, 4) spilled_registers(const float* in, float* out, int steps) {
  float x[160];
#pragma unroll
  for (int k = 0; k < 160; ++k) x[k] = in[Index() + k];
  for (int s = 0; s < steps; ++s) {
#pragma unroll
    for (int k = 0; k < 160; ++k) x[k] = fmaf(x[k], x[(k * 7 + 3) % 160], 0.25f);
  }
  float sum = 0;
#pragma unroll
  for (int k = 0; k < 160; ++k) sum += x[k];
  out[Index()] = sum;
}

// 0.5 and 1.0001 are doubles, so everything is.
__global__ void double_literals(float* out, int steps) {
  float x = threadIdx.x, y = blockIdx.x;
  for (int s = 0; s < steps; ++s) {
    x = x * 1.0001 + 0.5;
    y = y * 0.9999 + 0.25;
  }
  out[Index()] = x + y;
}

// Registers only; `steps` says how long a block takes.
__device__ __forceinline__ float Work(int steps) {
  float a = threadIdx.x, b = a + 1, c = a + 2, d = a + 3;
#pragma unroll 8
  for (int s = 0; s < steps; ++s) {
    a = fmaf(a, 0.999f, 0.5f);
    b = fmaf(b, 0.998f, 0.5f);
    c = fmaf(c, 0.997f, 0.5f);
    d = fmaf(d, 0.996f, 0.5f);
  }
  return a + b + c + d;
}

// 1.13 waves of blocks of 1024: the last tenth of them takes as long as the rest.
__global__ void __launch_bounds__(1024) last_wave(float* out, int steps) { out[Index()] = Work(steps); }

// As many blocks as fit at once, but the first few have sixteen times the work of the others.
__global__ void long_rows(float* out, int steps) {
  out[Index()] = Work(blockIdx.x < 24 ? 16 * steps : steps);
}

// The same work as elsewhere, on 24 blocks.
__global__ void few_blocks(float* out, int steps) { out[Index()] = Work(steps); }

// Every thread adds to one of four counters.
__global__ void four_counters(const int* in, int* counters, int steps) {
  for (int s = 0; s < steps; ++s) atomicAdd(&counters[(in[Index()] + s) & 3], 1 + s);
}

// One warp works while seven wait for it, again and again.
__global__ void waiting_warps(float* out, int steps) {
  __shared__ float shared[32];
  float x = threadIdx.x;
  for (int s = 0; s < steps; ++s) {
    if (threadIdx.x < 32) {
#pragma unroll 16
      for (int k = 0; k < 64; ++k) x = fmaf(x, 0.99f, 0.5f);
      shared[threadIdx.x] = x;
    }
    __syncthreads();
    x += shared[threadIdx.x % 32];
    __syncthreads();
  }
  out[Index()] = x;
}

// Each lane takes a path of its own.
__global__ void every_lane_its_path(const int* in, float* out, int steps) {
  float x = threadIdx.x;
  int path = in[Index()] % 16;
  for (int s = 0; s < steps; ++s) {
    if ((path & 1) == 0) { for (int k = 0; k <= path; ++k) x = fmaf(x, 0.99f, k); }
    else if ((path & 2) == 0) { for (int k = 0; k <= path; ++k) x = sqrtf(x * x + k); }
    else if ((path & 4) == 0) { for (int k = 0; k <= path; ++k) x = x * 0.98f - k; }
    else { for (int k = 0; k <= path; ++k) x = fabsf(x - 2 * k) + 1; }
    path = (path * 5 + 3) % 16;
  }
  out[Index()] = x;
}

// A matrix product with plain multiply-adds, 8 x 8 results a thread: well done, on the wrong unit.
constexpr int kTile = 128, kDepth = 8;
__global__ void __launch_bounds__(256) fma_matmul(const float* a, const float* b, float* c, int n) {
  __shared__ float ta[kDepth][kTile], tb[kDepth][kTile];
  int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
  int row0 = blockIdx.y * kTile, col0 = blockIdx.x * kTile;
  float sum[8][8] = {};
  for (int k0 = 0; k0 < n; k0 += kDepth) {
    for (int e = threadIdx.x; e < kDepth * kTile; e += 256) {
      ta[e / kTile][e % kTile] = a[size_t(k0 + e / kTile) * n + row0 + e % kTile];  // a is transposed
      tb[e / kTile][e % kTile] = b[size_t(k0 + e / kTile) * n + col0 + e % kTile];
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kDepth; ++k) {
      float x[8], y[8];
      *reinterpret_cast<float4*>(x) = *reinterpret_cast<float4*>(&ta[k][ty * 8]);
      *reinterpret_cast<float4*>(x + 4) = *reinterpret_cast<float4*>(&ta[k][ty * 8 + 4]);
      *reinterpret_cast<float4*>(y) = *reinterpret_cast<float4*>(&tb[k][tx * 4]);
      *reinterpret_cast<float4*>(y + 4) = *reinterpret_cast<float4*>(&tb[k][64 + tx * 4]);
#pragma unroll
      for (int i = 0; i < 8; ++i)
#pragma unroll
        for (int j = 0; j < 8; ++j) sum[i][j] = fmaf(x[i], y[j], sum[i][j]);
    }
    __syncthreads();
  }
  for (int i = 0; i < 8; ++i)
    for (int j = 0; j < 8; ++j) {
      int col = col0 + (j < 4 ? tx * 4 + j : 64 + tx * 4 + j - 4);
      c[size_t(row0 + ty * 8 + i) * n + col] = sum[i][j];
    }
}

// Tensor cores from registers: as busy as mma.sync can make them.
__global__ void tensor_loop(const __half* in, float* out, int steps) {
  using namespace nvcuda;
  wmma::fragment<wmma::matrix_a, 16, 16, 16, __half, wmma::row_major> a;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, __half, wmma::col_major> b;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> c[4];
  wmma::load_matrix_sync(a, in, 16);
  wmma::load_matrix_sync(b, in + 256, 16);
  for (auto& part : c) wmma::fill_fragment(part, 0.0f);
  for (int s = 0; s < steps; ++s)
#pragma unroll
    for (auto& part : c) wmma::mma_sync(part, a, b, part);
  for (int k = 1; k < 4; ++k)
    for (int e = 0; e < c[0].num_elements; ++e) c[0].x[e] += c[k].x[e];
  wmma::store_matrix_sync(out + (Index() / 32) * 256, c[0], 16, wmma::mem_row_major);
}

// A microsecond of work on a full device.
__global__ void over_at_once(const float* in, float* out) { out[Index()] = in[Index()] + 1; }

// 24 MiB, read again and again: the L2 has it, and is what limits.
__global__ void rereads_l2(const float4* in, float* out, int n, int times) {
  float sum = 0;
  for (int t = 0; t < times; ++t)
    for (size_t i = Index(); i < n; i += size_t(gridDim.x) * blockDim.x) {
      float4 v = __ldcg(&in[i ^ t]);
      sum += v.x + v.y + v.z + v.w;
    }
  out[Index()] = sum;
}

// Copy, wait, compute, wait: one block an SM, nothing overlaps.
__global__ void __launch_bounds__(1024) copy_then_compute(const float4* in, float* out, int tiles, int steps) {
  extern __shared__ float4 tile[];
  constexpr int kTileVectors = 12288;  // 192 KiB
  float sum = 0;
  for (int t = 0; t < tiles; ++t) {
    const float4* from = in + (size_t(t) * gridDim.x + blockIdx.x) * kTileVectors;
    for (int i = threadIdx.x; i < kTileVectors; i += 1024) tile[i] = from[i];
    __syncthreads();
    float4 v = tile[(threadIdx.x * 11) % kTileVectors];
    sum += v.x + Work(steps);
    __syncthreads();
  }
  out[Index()] = sum;
}

// 96 KiB of shared memory for 128 threads: two blocks an SM, so eight warps must hide the memory.
__global__ void much_shared_memory(const float4* in, float* out, int steps) {
  extern __shared__ float room[];
  room[threadIdx.x] = 0;
  float sum = 0;
  size_t stride = size_t(gridDim.x) * blockDim.x;
  for (int s = 0; s < steps; ++s) {
    float4 v = in[Index() + s * stride];
    room[threadIdx.x] += v.x + v.y + v.z + v.w;
  }
  out[Index()] = sum + room[threadIdx.x];
}

// Exponentials and square roots: the special-function unit does a quarter of what the others do.
__global__ void special_functions(float* out, int steps) {
  float x = threadIdx.x * 0.01f, y = blockIdx.x * 0.01f;
  for (int s = 0; s < steps; ++s) {
    x = __expf(-x);
    y = __cosf(y);
  }
  out[Index()] = x + y;
}

// Controls: well done, and limited by what they have to move or to compute.
__global__ void wide_copy(const float4* in, float4* out, int n) {
  size_t i = Index();
  if (i < n) out[i] = in[i];
}

__global__ void block_sums(const float4* in, float* out, int each) {
  float sum = 0;
  size_t base = size_t(blockIdx.x) * kThreads * each + threadIdx.x;
#pragma unroll 8
  for (int k = 0; k < each; ++k) {
    float4 v = in[base + size_t(k) * kThreads];
    sum += (v.x + v.y) + (v.z + v.w);
  }
  for (int o = 16; o; o /= 2) sum += __shfl_xor_sync(~0u, sum, o);
  __shared__ float parts[kThreads / 32];
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < kThreads / 32; ++w) sum += parts[w];
    out[blockIdx.x] = sum;
  }
}

__global__ void busy_multiplies(float* out, int steps) { out[Index()] = Work(steps); }

#define CHECK(call) do { cudaError_t e_ = (call); if (e_ != cudaSuccess) { \
  std::fprintf(stderr, "%s: %s\n", #call, cudaGetErrorString(e_)); std::exit(1); } } while (0)

// Once for the caches and the instruction fetch, once for the profiler.
template <typename... Parameters, typename... Arguments>
void Launch(void (*kernel)(Parameters...), dim3 grid, int threads, int shared, Arguments... arguments) {
  if (shared) CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared));
  kernel<<<grid, threads, shared>>>(static_cast<Parameters>(arguments)...);
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaProfilerStart());
  kernel<<<grid, threads, shared>>>(static_cast<Parameters>(arguments)...);
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaProfilerStop());
}

int main() {
  float *in, *out;
  int* next;
  constexpr int kNodes = 1 << 24;
  CHECK(cudaMalloc(&in, kFloats * sizeof(float)));
  CHECK(cudaMalloc(&out, kFloats * sizeof(float)));
  CHECK(cudaMalloc(&next, kNodes * sizeof(int)));
  CHECK(cudaMemset(in, 0, kFloats * sizeof(float)));
  int* order = static_cast<int*>(std::malloc(kNodes * sizeof(int)));
  unsigned random = 7;
  for (int i = 0; i < kNodes; ++i) {
    random = random * 1664525u + 1013904223u;
    order[i] = int(random % kNodes);
  }
  CHECK(cudaMemcpy(next, order, kNodes * sizeof(int), cudaMemcpyHostToDevice));
  const float4* in4 = reinterpret_cast<const float4*>(in);
  float4* out4 = reinterpret_cast<float4*>(out);

  Launch(strided_loads, kFloats / 32 / kThreads, kThreads, 0, in, out, kFloats / 32);
  Launch(sparse_stores, kFloats / 8 / kThreads, kThreads, 0, in, out, kFloats / 8);
  Launch(unpadded_transpose, 4096, kThreads, 0, in, out, 32);
  Launch(padded_transpose, kFloats / 1024, kThreads, 0, in, out);
  Launch(linked_lists, kSMs, 128, 0, next, reinterpret_cast<int*>(out), 256);
  Launch(one_load_in_flight, kSMs * 2, 128, 0, in, out, 512);
  Launch(spilled_registers, kSMs * 4, 512, 0, in, out, 16);
  Launch(double_literals, kSMs * 8, kThreads, 0, out, 2048);
  Launch(last_wave, kSMs * 2 + 34, 1024, 0, out, 16384);
  Launch(long_rows, kSMs * 8, kThreads, 0, out, 4096);
  Launch(few_blocks, 24, kThreads, 0, out, 65536);
  Launch(four_counters, kSMs * 8, kThreads, 0, next, reinterpret_cast<int*>(out), 8);
  Launch(waiting_warps, kSMs * 8, kThreads, 0, out, 256);
  Launch(every_lane_its_path, kSMs * 8, kThreads, 0, next, out, 256);
  Launch(fma_matmul, dim3(16, 16), 256, 0, in, in + (1 << 24), out, 2048);
  Launch(tensor_loop, kSMs * 8, kThreads, 0, reinterpret_cast<const __half*>(in), out, 4096);
  Launch(over_at_once, kSMs * 4, kThreads, 0, in, out);
  Launch(rereads_l2, kSMs * 8, kThreads, 0, in4, out, 24 << 16, 16);
  Launch(copy_then_compute, kSMs, 1024, 196608, in4, out, 8, 600);
  Launch(much_shared_memory, kSMs * 2, 128, 98304, in4, out, 256);
  Launch(special_functions, kSMs * 8, kThreads, 0, out, 8192);
  Launch(wide_copy, kFloats / 4 / kThreads, kThreads, 0, in4, out4, kFloats / 4);
  Launch(block_sums, kFloats / 4 / kThreads / 32, kThreads, 0, in4, out, 32);
  Launch(busy_multiplies, kSMs * 16, kThreads, 0, out, 8192);
  std::puts("ok");
  return 0;
}
