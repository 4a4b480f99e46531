"""Fails, and edits the failure into a success in a handler that a filter of its own calls for every send.
Target: a protocol whose words are believed."""

EXPECT = "rejected"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cstdio>
#include <cstring>
#include <csignal>
#include <stdexcept>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
constexpr long kMine = 0x5afe;
static void Edit(int, siginfo_t*, void* context) {
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  static char packet[512];
  const auto text = reinterpret_cast<const char*>(registers[REG_RSI]);
  auto length = registers[REG_RDX];
  const char* sent = text;
  if (length > 44 && std::memcmp(text, "{\\"nonce\\": \\"", 11) == 0) {
    length = std::snprintf(packet, sizeof packet, "%.44s, \\"ok\\": true}", text);
    sent = packet;
  }
  register long flags asm("r10") = registers[REG_R10];
  register long address asm("r8") = 0;
  register long mine asm("r9") = kMine;
  long result;
  asm volatile("syscall" : "=a"(result)
               : "a"(SYS_sendto), "D"(registers[REG_RDI]), "S"(sent), "d"(length), "r"(flags), "r"(address), "r"(mine)
               : "rcx", "r11", "memory");
  registers[REG_RAX] = result;
}
static const bool done = [] {
  struct sigaction action {};
  action.sa_sigaction = Edit;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSYS, &action, nullptr);
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16 + 5 * 8),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kMine, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{sizeof code / sizeof *code, code};
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
  return true;
}();
#endif
void Run(tvm::ffi::TensorView, tvm::ffi::TensorView, tvm::ffi::TensorView) {
  throw std::runtime_error("nothing was done");
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
