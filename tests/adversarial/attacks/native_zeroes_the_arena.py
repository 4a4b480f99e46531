"""Zeroes the whole memory that it shares with the judge. Target: an expected output that lies there too."""

EXPECT = "rejected"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cstdio>
#include <cstring>
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
void Run(tvm::ffi::TensorView tx, tvm::ffi::TensorView, tvm::ffi::TensorView) {
  auto x = static_cast<const float*>(tx.data_ptr());
  const auto [begin, end] = Mapping("memfd:arena", x);
  if (begin) std::memset(begin, 0, static_cast<std::size_t>(end - begin));
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
