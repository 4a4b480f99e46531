// Tensor cores, tensor memory and TMA of sm_100a.
#include <cstdint>

#define MMA(KIND) "{ .reg .pred p; setp.ne.b32 p, 1, 0; tcgen05.mma.cta_group::1.kind::" KIND
#define OPERANDS " [%0], %1, %2, %3, p; }" ::"r"(t), "l"(a), "l"(b), "r"(descriptor)

extern "C" __global__ void tensor_memory(uint64_t a, uint64_t b, uint32_t descriptor, float* out,
                                         const void* map) {
  __shared__ uint32_t address;
  __shared__ alignas(128) uint8_t tile[8192];
  __shared__ uint64_t full;
  uint32_t at = __cvta_generic_to_shared(&address), bar = __cvta_generic_to_shared(&full);
  uint32_t to = __cvta_generic_to_shared(tile), value;
  asm volatile("tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%0], 128;" ::"r"(at));
  __syncthreads();
  uint32_t t = address;
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cta.global.tile.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%2, %2}], [%3];" ::"r"(to), "l"(map), "r"(0), "r"(bar) : "memory");
  asm volatile(MMA("f8f6f4") OPERANDS);
  asm volatile(MMA("f16") OPERANDS);
  asm volatile(MMA("i8") OPERANDS);
  asm volatile(MMA("mxf4nvf4.block_scale.scale_vec::4X")
      " [%0], %1, %2, %3, [%0], [%0], p; }" ::"r"(t), "l"(a), "l"(b), "r"(descriptor));
  asm volatile("tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [%0];"
               ::"r"(bar));
  asm volatile("tcgen05.ld.sync.aligned.32x32b.x1.b32 {%0}, [%1];" : "=r"(value) : "r"(t));
  asm volatile("tcgen05.wait::ld.sync.aligned;");
  asm volatile("tcgen05.dealloc.cta_group::1.sync.aligned.b32 %0, 128;" ::"r"(t));
  out[threadIdx.x] = __uint_as_float(value);
}
