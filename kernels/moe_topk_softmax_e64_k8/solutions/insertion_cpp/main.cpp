// Top-8 routing: softmax is monotonic and the weights are renormalised, so only 8 exponentials a row.
#include <cmath>
#include <cstdint>

#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>

namespace {
constexpr int kTop = 8;
}

void Run(tvm::ffi::TensorView logits, tvm::ffi::TensorView weights, tvm::ffi::TensorView indices) {
  const int64_t rows = logits.size(0), experts = logits.size(1);
  const float* x = static_cast<const float*>(logits.data_ptr());
  float* w = static_cast<float*>(weights.data_ptr());
  int32_t* chosen = static_cast<int32_t*>(indices.data_ptr());
  for (int64_t row = 0; row < rows; ++row) {
    const float* in = x + row * experts;
    float best[kTop];
    int32_t where[kTop];
    int filled = 0;
    for (int32_t expert = 0; expert < experts; ++expert) {
      const float value = in[expert];
      if (filled == kTop && value <= best[kTop - 1]) continue;
      int place = filled < kTop ? filled++ : kTop - 1;
      while (place > 0 && best[place - 1] < value) {
        best[place] = best[place - 1];
        where[place] = where[place - 1];
        --place;
      }
      best[place] = value;
      where[place] = expert;
    }
    float sum = 0.0f, scaled[kTop];
    for (int i = 0; i < kTop; ++i) sum += scaled[i] = std::exp(best[i] - best[0]);
    for (int i = 0; i < kTop; ++i) {
      w[row * kTop + i] = scaled[i] / sum;
      chosen[row * kTop + i] = where[i];
    }
  }
}

TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
