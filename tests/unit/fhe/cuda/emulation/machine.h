/* The kernels on a CPU: what `machine.cuh` asks of a GPU, by one fiber for each thread of a block.
 *
 * A fiber runs until it waits: for a barrier, for its warp, for a copy. Which of those that may go on does is a
 * parameter, and every order has to give the same bits: a barrier that is missing shows under one of them. Shared
 * memory starts as garbage. A bulk copy destroys its target at once and delivers only when somebody waits for it: the
 * latest and the earliest moments that the machine allows. Blocks run one after another.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char byte;
typedef struct { u32 x, y, z, w; } uint4;

#define INLINE static inline
#define KERNEL(threads, blocks) static void
#define DYNAMIC_SHARED(name) byte *const name = shared_memory
#define __restrict__ __restrict
#define __constant__ static const
#define __shared__ static
#define __align__(bytes) __attribute__((aligned(bytes)))

/* ---- fibers ---- */

enum { THREADS_MAX = 1024, STACK_BYTES = 1 << 16, WARP = 32, SHARED_MAX = 232448, COPIES_MAX = 16, BARRIERS = 16, GARBAGE = 0xa5 };
enum { FINISHED = 0, DEADLOCK = 1, TOO_LARGE = 2, OUTSIDE = 3 };
enum { UP = 0, DOWN = 1, SHUFFLED = 2, DRIFTING = 4 }; /* and larger: the same with another seed */

typedef struct { u32 arrived, generation; } Barrier;

typedef struct {
    void *stack_pointer;
    const Barrier *barrier; /* it waits for the generation after this one */
    u32 generation;
    const u64 *landing; /* it waits until this phase is complete */
    u32 parity;
    u32 index, products;
    int is_done;
} Fiber;

typedef struct { u32 x, y, z; } Dim;

static Fiber fibers[THREADS_MAX];
static byte stacks[THREADS_MAX][STACK_BYTES] __attribute__((aligned(64)));
static byte shared_memory[SHARED_MAX] __attribute__((aligned(128)));
static Barrier barriers[BARRIERS], warps[THREADS_MAX / WARP];
static Fiber *running;
static void *home;
static Dim blockIdx;
static u32 block_threads;
static void (*kernel)(void **);
static void **kernel_arguments;
static u64 random_state;

#define threadIdx ((Dim){running->index, 0, 0})

__attribute__((visibility("hidden"))) void switch_stacks(void **from, void *to);
__asm__(".text\n.hidden switch_stacks\n.globl switch_stacks\nswitch_stacks:\n"
        "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
        "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
        "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n");

static void leave(void) { switch_stacks(&running->stack_pointer, home); }

static void enter(void) {
    kernel(kernel_arguments);
    running->is_done = 1;
    leave();
}

static void prepare(u32 index) {
    Fiber *fiber = &fibers[index];
    void **top = (void **)(stacks[index] + STACK_BYTES);
    memset(fiber, 0, sizeof *fiber);
    fiber->index = index;
    top[-2] = (void *)enter; /* below it the six saved registers */
    fiber->stack_pointer = top - 8;
}

static void arrive(Barrier *barrier, u32 threads) {
    if (++barrier->arrived == threads) {
        barrier->arrived = 0;
        barrier->generation++;
        return;
    }
    running->barrier = barrier;
    running->generation = barrier->generation;
    leave();
    running->barrier = 0;
}

/* ---- copies ---- */

typedef struct { void *to; const void *from; u32 bytes; u64 *landing; } Copy;
static Copy copies[COPIES_MAX];
static u32 copies_begun;

/* Delivers what was asked for first; the phase that is running is the number of deliveries so far. */
static void deliver(const u64 *landing) {
    for (u32 i = 0; i < copies_begun; i++)
        if (copies[i].landing == landing) {
            memcpy(copies[i].to, copies[i].from, copies[i].bytes);
            ++*copies[i].landing;
            memmove(copies + i, copies + i + 1, (--copies_begun - i) * sizeof *copies);
            return;
        }
}

static int is_complete(const u64 *landing, u32 parity) {
    deliver(landing);
    return (*landing & 1) != parity;
}

/* ---- order of execution ---- */

static u32 drawn(void) {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (u32)(random_state >> 33);
}

static void shuffle(u32 *order) {
    for (u32 i = block_threads - 1; i; i--) {
        const u32 other = drawn() % (i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

/* Groups of 128 threads and single warps sleep for a while, so that ciphertexts are steps apart. */
static u32 group_sleep[THREADS_MAX / 128], warp_sleep[THREADS_MAX / WARP];

static void fall_asleep(u32 *sleeping, u32 count, u32 rounds) {
    for (u32 i = 0; i < count; i++) {
        if (sleeping[i])
            sleeping[i]--;
        else if (drawn() % 16 == 0)
            sleeping[i] = drawn() % rounds;
    }
}

static int may_run(const Fiber *fiber) {
    if (fiber->barrier && fiber->barrier->generation == fiber->generation) return 0;
    return !fiber->landing || is_complete(fiber->landing, fiber->parity);
}

/* One round over all threads; how many of them finished, or -1 if none can go on. */
static int round_of(const u32 *order, int is_drifting) {
    int finished = 0, is_moving = 0;
    for (u32 i = 0; i < block_threads; i++) {
        Fiber *fiber = &fibers[order[i]];
        if (fiber->is_done) continue;
        if (is_drifting && (group_sleep[order[i] / 128] || warp_sleep[order[i] / WARP])) {
            is_moving = 1;
            continue;
        }
        if (!may_run(fiber)) continue;
        is_moving = 1;
        running = fiber;
        switch_stacks(&home, fiber->stack_pointer);
        finished += fiber->is_done;
    }
    return is_moving ? finished : -1;
}

static int run_block(u32 shared, u32 how) {
    static u32 order[THREADS_MAX];
    u32 left = block_threads;
    memset(shared_memory, GARBAGE, sizeof shared_memory);
    memset(barriers, 0, sizeof barriers);
    memset(warps, 0, sizeof warps);
    copies_begun = 0;
    for (u32 i = 0; i < block_threads; i++) {
        prepare(i);
        order[i] = how == DOWN ? block_threads - 1 - i : i;
    }
    while (left) {
        if (how >= SHUFFLED) shuffle(order);
        if (how >= DRIFTING) {
            fall_asleep(group_sleep, THREADS_MAX / 128, 40);
            fall_asleep(warp_sleep, THREADS_MAX / WARP, 5);
        }
        const int finished = round_of(order, how >= DRIFTING);
        if (finished < 0) return DEADLOCK;
        left -= (u32)finished;
    }
    for (u32 i = shared; i < SHARED_MAX; i++)
        if (shared_memory[i] != GARBAGE) return OUTSIDE;
    return FINISHED;
}

/* As a driver is asked: `arguments` are pointers to the arguments. */
static int launch(void (*called)(void **), void **arguments, u32 grid_x, u32 grid_y, u32 threads, u32 shared, u32 how) {
    if (threads > THREADS_MAX || shared > SHARED_MAX) return TOO_LARGE;
    kernel = called;
    kernel_arguments = arguments;
    block_threads = threads;
    random_state = how;
    for (blockIdx.y = 0; blockIdx.y < grid_y; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < grid_x; blockIdx.x++) {
            const int outcome = run_block(shared, how);
            if (outcome != FINISHED) return outcome;
        }
    return FINISHED;
}

#define ARGUMENT(type, index) (*(type *)arguments[index])
#define ENTRY(name)                                                                                                    \
    __attribute__((visibility("default"))) int emulate_##name(void **arguments, u32 grid_x, u32 grid_y, u32 threads,   \
                                                              u32 shared, u32 how) {                                   \
        return launch(call_##name, arguments, grid_x, grid_y, threads, shared, how);                                   \
    }

/* ---- what the kernels call ---- */

INLINE void __syncthreads(void) { arrive(&barriers[0], block_threads); }
INLINE void meet(u32 barrier, u32 threads) { arrive(&barriers[barrier], threads); }
INLINE void meet_warp(void) { arrive(&warps[running->index / WARP], WARP); }
INLINE int opaque(int value) { return value; }

INLINE void landing_start(u64 *landing) { *landing = 0; }
INLINE void landing_publish(void) {}

INLINE void landing_wait(u64 *landing, u32 parity) {
    if (is_complete(landing, parity)) return;
    running->landing = landing;
    running->parity = parity;
    leave();
    running->landing = 0;
}

INLINE void fetch(void *to, const void *from, u32 bytes, u64 *landing) {
    memset(to, 0xee, bytes);
    copies[copies_begun++] = (Copy){to, from, bytes, landing};
}

INLINE u32 count_modulo(u32 *counter, u32 last) {
    const u32 before = *counter;
    *counter = before >= last ? 0 : before + 1;
    return before;
}

/* The fragments of a warp are gathered, then every lane computes its own four sums (PTX: mma.m16n8k32). Two places in
 * turn: who has met the others for the next product has read this one's. */
INLINE void multiply_bytes(int *sums, const u32 *a, const u32 *b) {
    static int16_t rows[THREADS_MAX / WARP][2][16][32], columns[THREADS_MAX / WARP][2][8][32];
    const u32 warp = running->index / WARP, lane = running->index % WARP, place = running->products++ & 1;
    const u32 group = lane / 4, first = lane % 4 * 4;
    for (u32 k = 0; k < 4; k++) {
        for (u32 part = 0; part < 4; part++)
            rows[warp][place][group + part % 2 * 8][part / 2 * 16 + first + k] = (byte)(a[part] >> 8 * k);
        for (u32 half = 0; half < 2; half++)
            columns[warp][place][group][half * 16 + first + k] = (int8_t)(b[half] >> 8 * k);
    }
    meet_warp();
    for (u32 result = 0; result < 4; result++) {
        const int16_t *row = rows[warp][place][group + result / 2 * 8];
        const int16_t *column = columns[warp][place][lane % 4 * 2 + result % 2];
        int sum = 0;
        for (u32 k = 0; k < 32; k++) sum += row[k] * column[k];
        sums[result] += sum;
    }
}

/* Compiled without contraction: each is one IEEE operation, as on the GPU. */
INLINE double __dadd_rn(double a, double b) { return a + b; }
INLINE double __dsub_rn(double a, double b) { return a - b; }
INLINE double __dmul_rn(double a, double b) { return a * b; }
INLINE double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
INLINE long long __double2ll_rn(double a) { return llrint(a); } /* to nearest, half to even */

INLINE long long __double_as_longlong(double a) {
    long long bits;
    memcpy(&bits, &a, sizeof bits);
    return bits;
}
INLINE u64 __umul64hi(u64 a, u64 b) { return (u64)((unsigned __int128)a * b >> 64); }
