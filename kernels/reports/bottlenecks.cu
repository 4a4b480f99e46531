// Seven launches, each with one bottleneck that is known by construction: the ground truth of the
// tests of `ncu/`. See PROVENANCE.md for how the report beside this file was captured.
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

constexpr int kThreads = 256;
constexpr int kElements = 1 << 24;

// Consecutive threads write 128 bytes apart: each store of a warp touches 32 sectors.
__global__ void scatter_rows(const float* in, float* out, int rows, int columns) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < rows * columns) out[(i % rows) * columns + i / rows] = in[i];
}

// All lanes of a warp read one bank.
__global__ void column_sums(const float* in, float* out) {
  __shared__ float tile[32][32];
  int lane = threadIdx.x % 32, row = threadIdx.x / 32;
  for (int r = row; r < 32; r += kThreads / 32) tile[r][lane] = in[blockIdx.x * 1024 + r * 32 + lane];
  __syncthreads();
  float sum = 0;
  for (int pass = 0; pass < 64; ++pass) sum += tile[lane][(row + pass) % 32];
  out[blockIdx.x * kThreads + threadIdx.x] = sum;
}

// The control: 16-byte accesses, enough of them in flight.
__global__ void scale_stream(const float4* in, float4* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    float4 v = in[i];
    out[i] = make_float4(v.x * 2, v.y * 2, v.z * 2, v.w * 2);
  }
}

// Each load needs the one before it.
__global__ void chase(const int* next, int* out, int hops) {
  int p = blockIdx.x * blockDim.x + threadIdx.x;
  for (int h = 0; h < hops; ++h) p = next[p];
  out[blockIdx.x * blockDim.x + threadIdx.x] = p;
}

// Registers only: independent chains of fused multiply-adds.
__global__ void polynomial(float* out, int steps) {
  float acc[8];
  for (int k = 0; k < 8; ++k) acc[k] = threadIdx.x + k;
  for (int s = 0; s < steps; ++s)
#pragma unroll
    for (int k = 0; k < 8; ++k) acc[k] = fmaf(acc[k], 0.999f, 0.5f);
  float sum = 0;
  for (int k = 0; k < 8; ++k) sum += acc[k];
  out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

// A per-thread table indexed by data: it cannot live in registers.
__global__ void local_table(const int* in, int* out) {
  int table[128];
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  for (int k = 0; k < 128; ++k) table[k] = k * i;
  int p = in[i] & 127;
  for (int k = 0; k < 128; ++k) { table[p] += k; p = (table[(p * 5 + k) & 127] + in[i]) & 127; }
  out[i] = table[p] + p;
}

#define CHECK(call) do { cudaError_t e_ = (call); if (e_ != cudaSuccess) { \
  std::fprintf(stderr, "%s: %s\n", #call, cudaGetErrorString(e_)); return 1; } } while (0)

int main() {
  float *a, *b;
  int* next;
  CHECK(cudaMalloc(&a, kElements * sizeof(float)));
  CHECK(cudaMalloc(&b, kElements * sizeof(float)));
  CHECK(cudaMalloc(&next, kElements * sizeof(int)));
  std::vector<int> order(kElements);
  for (int i = 0; i < kElements; ++i) order[i] = i;
  std::srand(7);
  for (int i = kElements - 1; i > 0; --i) std::swap(order[i], order[std::rand() % i]);
  CHECK(cudaMemcpy(next, order.data(), kElements * sizeof(int), cudaMemcpyHostToDevice));
  CHECK(cudaMemset(a, 0, kElements * sizeof(float)));
  scatter_rows<<<kElements / kThreads, kThreads>>>(a, b, kElements / 32, 32);
  column_sums<<<kElements / 1024, kThreads>>>(a, b);
  scale_stream<<<kElements / 4 / kThreads, kThreads>>>((const float4*)a, (float4*)b, kElements / 4);
  chase<<<132, 128>>>(next, (int*)b, 256);
  polynomial<<<132 * 16, kThreads>>>(b, 4096);
  polynomial<<<16, kThreads>>>(b, 4096);  // the same work on a fraction of the device
  local_table<<<1024, kThreads>>>(next, (int*)b);
  CHECK(cudaDeviceSynchronize());
  std::puts("ok");
  return 0;
}
