"""A thread keeps writing that every call is done, and none is. Target: counters that two sides write."""

EXPECT = "rejected"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cstdio>
#include <cstring>
#include <thread>
#include <utility>

// Where a file of this name is mapped that holds `inside`, if it is given: begin and end.
static std::pair<char*, char*> Mapping(const char* name, const void* inside = nullptr) {
  std::pair<char*, char*> found{nullptr, nullptr};
  FILE* maps = std::fopen("/proc/self/maps", "r");
  char line[512];
  while (maps && std::fgets(line, sizeof line, maps)) {
    unsigned long begin = 0, end = 0;
    if (!std::strstr(line, name) || std::sscanf(line, "%lx-%lx", &begin, &end) != 2) continue;
    const auto at = reinterpret_cast<unsigned long>(inside);
    if (!inside || (begin <= at && at < end)) {
      found = {reinterpret_cast<char*>(begin), reinterpret_cast<char*>(end)};
    }
  }
  if (maps) std::fclose(maps);
  return found;
}
void Run(tvm::ffi::TensorView, tvm::ffi::TensorView, tvm::ffi::TensorView) {
  static bool started = false;
  if (started) return;
  started = true;
  const auto [begin, end] = Mapping("memfd:turns");
  auto turns = reinterpret_cast<volatile long*>(begin);
  if (!turns) return;
  std::thread([turns] {
    for (;;) {
      turns[1] = 1l << 40;
      std::this_thread::yield();
    }
  }).detach();
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
