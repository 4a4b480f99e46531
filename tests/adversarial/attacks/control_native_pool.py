"""Honest: C++ with threads that wait between calls, all of which have done their part when it returns."""

EXPECT = "accepted"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cmath>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

static void Norm(const float* x, const float* w, float* y, long rows, long width) {
  for (long r = 0; r < rows; ++r) {
    double sum = 0;
    for (long i = 0; i < width; ++i) sum += static_cast<double>(x[r * width + i]) * x[r * width + i];
    const float scale = static_cast<float>(1.0 / std::sqrt(sum / width + 1e-6));
    for (long i = 0; i < width; ++i) y[r * width + i] = x[r * width + i] * scale * w[i];
  }
}
class Pool {
 public:
  explicit Pool(int count) {
    for (int i = 0; i < count; ++i) std::thread([this, i] { Serve(i); }).detach();
  }
  void Run(std::function<void(int)> part, int parts) {
    std::unique_lock<std::mutex> lock(mutex_);
    part_ = std::move(part);
    left_ = parts;
    ++turn_;
    begin_.notify_all();
    end_.wait(lock, [this] { return left_ == 0; });
  }

 private:
  void Serve(int number) {
    for (long seen = 0;;) {
      std::function<void(int)> part;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        begin_.wait(lock, [&] { return turn_ != seen; });
        seen = turn_;
        part = part_;
      }
      part(number);
      std::lock_guard<std::mutex> lock(mutex_);
      if (--left_ == 0) end_.notify_one();
    }
  }
  std::mutex mutex_;
  std::condition_variable begin_, end_;
  std::function<void(int)> part_;
  int left_ = 0;
  long turn_ = 0;
};
void Run(tvm::ffi::TensorView tx, tvm::ffi::TensorView tw, tvm::ffi::TensorView ty) {
  auto x = static_cast<const float*>(tx.data_ptr());
  auto w = static_cast<const float*>(tw.data_ptr());
  auto y = static_cast<float*>(ty.data_ptr());
  const long rows = tx.size(0), width = tx.size(1);
  constexpr int kThreads = 2;
  static Pool& pool = *new Pool(kThreads);
  pool.Run([=](int part) {
    const long begin = rows * part / kThreads, end = rows * (part + 1) / kThreads;
    Norm(x + begin * width, w, y + begin * width, end - begin, width);
  }, kThreads);
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
