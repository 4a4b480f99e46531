"""Works while the judge still copies, whatever is there: at its turn it looks at a single word, and starts again if
another is there than it worked with. That happens in traps only, whose time does not count. Target: the time of copies,
which is subtracted, past the traps. It hides no more than that time, which counts in what is proved; `TIMES` makes
the work some five times the baseline's, so that it must show.
"""

EXPECT = "slow"
LANGUAGE = "cpp"
TIMEOUT_S = 20
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <immintrin.h>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

static const int TIMES = 1400;

__attribute__((target("avx2,fma"))) static float Scale(const float* x) {
  float lanes[8], sum = 0;
  for (int time = 0; time < TIMES; ++time) {
    __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
    for (long i = 0; i < 512; i += 32) {
      __m256 p = _mm256_loadu_ps(x + i), q = _mm256_loadu_ps(x + i + 8);
      __m256 r = _mm256_loadu_ps(x + i + 16), s = _mm256_loadu_ps(x + i + 24);
      a = _mm256_fmadd_ps(p, p, a); b = _mm256_fmadd_ps(q, q, b);
      c = _mm256_fmadd_ps(r, r, c); d = _mm256_fmadd_ps(s, s, d);
    }
    _mm256_storeu_ps(lanes, _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)));
    asm volatile("" ::: "memory");
  }
  for (float lane : lanes) sum += lane;
  return 1.0f / std::sqrt(sum / 512 + 1e-6f);
}
__attribute__((target("avx2,fma"))) static void Mul(const float* x, const float* w, float* y, float by) {
  const __m256 scale = _mm256_set1_ps(by);
  for (long i = 0; i < 512; i += 8)
    _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), scale), _mm256_loadu_ps(w + i)));
}
static volatile int64_t* Turns() {
  static std::vector<volatile int64_t*> pages;
  for (int pass = 0; pass < 2; ++pass) {
    for (auto page : pages) if (page[0] >= 1 && page[1] == page[0] - 1) return page;
    pages.clear();
    char line[512];
    FILE* maps = std::fopen("/proc/self/maps", "r");
    while (maps && std::fgets(line, sizeof line, maps))
      if (std::strstr(line, "memfd:turns"))
        pages.push_back(reinterpret_cast<volatile int64_t*>(std::strtoull(line, nullptr, 16)));
    if (maps) std::fclose(maps);
  }
  return nullptr;
}
static const float* End(const float* x) {
  static const float* from = nullptr; static const float* to = nullptr;
  if (x >= from && x < to) return to;
  char line[512];
  FILE* maps = std::fopen("/proc/self/maps", "r");
  while (maps && std::fgets(line, sizeof line, maps)) {
    char* rest;
    auto a = reinterpret_cast<const float*>(std::strtoull(line, &rest, 16));
    auto b = reinterpret_cast<const float*>(std::strtoull(rest + 1, nullptr, 16));
    if (x >= a && x < b) { from = a; to = b; }
  }
  if (maps) std::fclose(maps);
  return to;
}
static uint32_t Word(const float* x) { return *reinterpret_cast<const volatile uint32_t*>(x); }
static bool There(const float* x) { return Word(x) != 0xFFFFFFFFu; }

static const float* last = nullptr;   // done up to here
static const float* before = nullptr;
static long stride = 0;

void Run(tvm::ffi::TensorView tx, tvm::ffi::TensorView tw, tvm::ffi::TensorView ty) {
  auto x = static_cast<const float*>(tx.data_ptr());
  auto w = static_cast<const float*>(tw.data_ptr());
  auto y = static_cast<float*>(ty.data_ptr());
  const long rows = tx.size(0);
  static float scale[4096];
  auto turns = Turns();
  if (before && x > before && !stride) stride = x - before;
  before = x;
  if (turns && turns[0] > 1 && last && x <= last) return;
  if (!turns || !stride || turns[0] != 1) {
    for (long r = 0; r < rows; ++r) Mul(x + r * 512, w, y + r * 512, Scale(x + r * 512));
    return;
  }
  long count = 1;
  for (auto end = End(x); x + count * stride < end && !There(x + count * stride);) ++count;
  for (long number = 1; number <= count; ++number, x += stride, w += stride, y += stride) {
    uint32_t used = 0;
    do {  // in a trap, twice
      for (long r = 0; r < rows; ++r) {
        while (!There(x + r * 512 + 511)) _mm_pause();
        if (!r) used = Word(x);
        scale[r] = Scale(x + r * 512);
        for (long i = 0; i < 512; i += 16) _mm_prefetch(reinterpret_cast<const char*>(y + r * 512 + i), _MM_HINT_ET0);
      }
      while (turns[0] < number) _mm_pause();
    } while (Word(x) != used);
    for (long r = 0; r < rows; ++r) Mul(x + r * 512, w, y + r * 512, scale[r]);
    turns[1] = number;
    last = x;
  }
  before = nullptr;
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
