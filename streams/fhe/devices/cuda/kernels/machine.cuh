// What the kernels ask of the machine: names of the language, barriers, the copy engine and the tensor cores.
//
// The other files are written in what CUDA C++ and C have in common, so that a C compiler can run them too, over a
// file with the same names as this one, which emulates threads (tests). Nothing else in them knows a GPU.

typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char byte;

#define INLINE __device__ __forceinline__
#define KERNEL(threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks)
#define DYNAMIC_SHARED(name) extern __shared__ __align__(128) byte name[]

// Threads 0..n-1 of a block meet at one of its sixteen named barriers; barrier 0 is that of __syncthreads.
INLINE void meet(u32 barrier, u32 threads) { asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory"); }
INLINE void meet_warp(void) { __syncwarp(); }

// The same number, of which the compiler knows nothing: what depends on it is computed where it is used. Without this
// all addresses of a step are computed before the loop and do not fit the registers.
INLINE int opaque(int value) {
    asm volatile("" : "+r"(value));
    return value;
}

#if __CUDA_ARCH__ >= 900
INLINE u32 shared_address(const void* pointer) { return (u32)__cvta_generic_to_shared(pointer); }

// A transaction barrier with one arriving thread: its phases are complete when the announced bytes have landed.
INLINE void landing_start(u64* landing) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared_address(landing)) : "memory");
}

INLINE void landing_publish(void) {
    asm volatile("fence.mbarrier_init.release.cluster; fence.proxy.async.shared::cta;" ::: "memory");
}

INLINE void landing_wait(u64* landing, u32 parity) {
    asm volatile("{ .reg .pred done; WAIT: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1; @!done bra WAIT; }"
                 ::"r"(shared_address(landing)), "r"(parity) : "memory");
}

// One copy by the engine for bulk copies. All reads of `to` are done: the fence orders them before the engine's writes.
INLINE void fetch(void* to, const void* from, u32 bytes, u64* landing) {
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(landing)), "r"(bytes) : "memory");
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
                 ::"r"(shared_address(to)), "l"(__cvta_generic_to_global(from)), "r"(bytes), "r"(shared_address(landing)) : "memory");
}

// Counts 0, 1 … last, 0 …; acquires what others released by counting.
INLINE u32 count_modulo(u32* counter, u32 last) {
    u32 before;
    asm volatile("atom.acq_rel.cta.shared::cta.inc.u32 %0, [%1], %2;"
                 : "=r"(before) : "r"(shared_address(counter)), "r"(last) : "memory");
    return before;
}
#endif

// 16 x 8 sums += 16 x 32 unsigned bytes times 32 x 8 signed bytes, exactly, by one warp.
INLINE void multiply_bytes(int* sums, const u32* a, const u32* b) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
