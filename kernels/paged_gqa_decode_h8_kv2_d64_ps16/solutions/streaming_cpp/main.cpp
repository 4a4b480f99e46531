// Paged decode attention: one pass over the pages with an online softmax (running maximum and sum).
#include <cmath>
#include <cstdint>

#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/error.h>
#include <tvm/ffi/function.h>

namespace {

constexpr int kDim = 64;

float Dot(const float* __restrict__ a, const float* __restrict__ b) {
  float partial[16] = {};
  for (int i = 0; i < kDim; i += 16) {
    for (int lane = 0; lane < 16; ++lane) partial[lane] += a[i + lane] * b[i + lane];
  }
  float sum = 0.0f;
  for (float p : partial) sum += p;
  return sum;
}

}  // namespace

void Run(tvm::ffi::TensorView q, tvm::ffi::TensorView k_cache, tvm::ffi::TensorView v_cache,
         tvm::ffi::TensorView kv_indptr, tvm::ffi::TensorView kv_indices,
         tvm::ffi::TensorView kv_last_page_len, tvm::ffi::TensorView output) {
  const int64_t batch = q.size(0), heads = q.size(1), page = k_cache.size(1), kv = k_cache.size(2);
  TVM_FFI_ICHECK_EQ(q.size(2), kDim) << "head dimension must be 64";
  const float scale = 1.0f / std::sqrt(static_cast<float>(kDim));
  const float* queries = static_cast<const float*>(q.data_ptr());
  const float* keys = static_cast<const float*>(k_cache.data_ptr());
  const float* values = static_cast<const float*>(v_cache.data_ptr());
  const int32_t* indptr = static_cast<const int32_t*>(kv_indptr.data_ptr());
  const int32_t* pages = static_cast<const int32_t*>(kv_indices.data_ptr());
  const int32_t* last = static_cast<const int32_t*>(kv_last_page_len.data_ptr());
  float* out = static_cast<float*>(output.data_ptr());
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t group = h / (heads / kv);
      const float* query = queries + (b * heads + h) * kDim;
      float best = -INFINITY, sum = 0.0f, acc[kDim] = {};
      for (int32_t slot = indptr[b]; slot < indptr[b + 1]; ++slot) {
        const int64_t length = slot + 1 == indptr[b + 1] ? last[b] : page;
        for (int64_t t = 0; t < length; ++t) {
          const int64_t base = ((static_cast<int64_t>(pages[slot]) * page + t) * kv + group) * kDim;
          const float score = Dot(query, keys + base) * scale;
          if (score > best) {
            const float shrink = std::exp(best - score);
            sum *= shrink;
            for (float& a : acc) a *= shrink;
            best = score;
          }
          const float weight = std::exp(score - best);
          sum += weight;
          for (int i = 0; i < kDim; ++i) acc[i] += weight * values[base + i];
        }
      }
      for (int i = 0; i < kDim; ++i) out[(b * heads + h) * kDim + i] = acc[i] / sum;
    }
  }
}

TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
