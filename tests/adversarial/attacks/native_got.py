"""Points every library's entry for the clock at a function of its own, and works a hundred times. Target:
clocks that are called through tables."""

EXPECT = "slow"
LANGUAGE = "cpp"
SOURCE = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

static void Norm(const float* x, const float* w, float* y, long rows, long width) {
  for (long r = 0; r < rows; ++r) {
    double sum = 0;
    for (long i = 0; i < width; ++i) sum += static_cast<double>(x[r * width + i]) * x[r * width + i];
    const float scale = static_cast<float>(1.0 / std::sqrt(sum / width + 1e-6));
    for (long i = 0; i < width; ++i) y[r * width + i] = x[r * width + i] * scale * w[i];
  }
}
static int Stopped(clockid_t, timespec* now) {
  *now = {1, 0};
  return 0;
}
#if defined(__x86_64__)
static void Patch(const ElfW(Rela)* entries, std::size_t bytes, const ElfW(Sym)* symbols, const char* names, ElfW(Addr) base) {
  const auto size = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  for (std::size_t i = 0; i < bytes / sizeof *entries; ++i) {
    const auto type = ELF64_R_TYPE(entries[i].r_info);
    if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) continue;
    if (std::strcmp(names + symbols[ELF64_R_SYM(entries[i].r_info)].st_name, "clock_gettime")) continue;
    auto slot = reinterpret_cast<void**>(base + entries[i].r_offset);
    auto page = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(slot) & ~(size - 1));
    if (mprotect(page, size, PROT_READ | PROT_WRITE) == 0) *slot = reinterpret_cast<void*>(&Stopped);
  }
}
static int Each(dl_phdr_info* object, std::size_t, void*) {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    if (object->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    const ElfW(Rela)*plain = nullptr, *jumps = nullptr;
    std::size_t plain_bytes = 0, jumps_bytes = 0;
    const ElfW(Sym)* symbols = nullptr;
    const char* names = nullptr;
    auto entry = reinterpret_cast<const ElfW(Dyn)*>(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry) {
      const auto value = entry->d_un.d_ptr;
      if (entry->d_tag == DT_RELA) plain = reinterpret_cast<const ElfW(Rela)*>(value);
      if (entry->d_tag == DT_RELASZ) plain_bytes = value;
      if (entry->d_tag == DT_JMPREL) jumps = reinterpret_cast<const ElfW(Rela)*>(value);
      if (entry->d_tag == DT_PLTRELSZ) jumps_bytes = value;
      if (entry->d_tag == DT_SYMTAB) symbols = reinterpret_cast<const ElfW(Sym)*>(value);
      if (entry->d_tag == DT_STRTAB) names = reinterpret_cast<const char*>(value);
    }
    if (!symbols || !names || reinterpret_cast<std::uintptr_t>(names) < object->dlpi_addr) continue;
    if (plain) Patch(plain, plain_bytes, symbols, names, object->dlpi_addr);
    if (jumps) Patch(jumps, jumps_bytes, symbols, names, object->dlpi_addr);
  }
  return 0;
}
static const int done = dl_iterate_phdr(Each, nullptr);
#endif
void Run(tvm::ffi::TensorView tx, tvm::ffi::TensorView tw, tvm::ffi::TensorView ty) {
  auto x = static_cast<const float*>(tx.data_ptr());
  auto w = static_cast<const float*>(tw.data_ptr());
  auto y = static_cast<float*>(ty.data_ptr());
  const long rows = tx.size(0), width = tx.size(1);
  for (int i = 0; i < 100; ++i) {
    Norm(x, w, y, rows, width);
    asm volatile("" ::: "memory");
  }
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""
