// Noise squashing: the rotation of 128-bit accumulators (`native/kernel/src/squash` says why binary64 is enough).
//
// A step is three kernels over the whole batch, because a transformed ciphertext, 192 KB, is more than a block can have:
//   squash_forward   block = polynomial of a ciphertext: its three digit polynomials, transformed
//   squash_product   block = 64 frequencies and a share of the ciphertexts, for which it reads that part of the key once
//   squash_inverse   block = polynomial of a ciphertext: its four limbs transformed back, rounded and added up
// What they hand on is meant to stay in the second level cache; `squashing.py` makes batches of that size.
//
// accumulators: [ciphertext][column 3][N]: bits 127 to 64 of a word in `highs`, 63 to 44 in `lows`
// areas:        [ciphertext][slot 12][row 16][e 8][lane 8]: slot 3 column + level in, 4 column + limb out
// key:          [step n][row 16][e 8][key row 9][column 3][limb 4][re, im][lane 8], the file of the CPU as it is
// factors:      [row 16][5] of the pass across a row, then [5][row 16][lane 8] of the one within

enum {
    COLUMNS = 3,
    LEVELS = 3,
    LIMBS = 4,
    KEY_ROWS = COLUMNS * LEVELS,
    SLOTS = COLUMNS * LIMBS,
    POINTS = N / 2,
    AREA = SLOTS * POINTS,
    SQUASHED_LWE = 2 * N + 1, // words of a result

    GROUP = 128, // threads, or turns of a thread, of a polynomial: a row and an element or child
    COLUMN_THREADS = 64, // of a polynomial's pass over the rows
    FORWARD_THREADS = LEVELS * COLUMN_THREADS,
    INVERSE_THREADS = LIMBS * COLUMN_THREADS,
    EDGE_THREADS = 256, // of the kernels before and behind the steps

    TILE = 64, // frequencies of a block: eight vectors of the key
    PRODUCT_THREADS = COLUMNS * TILE,
    KEY_ROW_WORDS = 2 * 8 * SLOTS,
    KEY_VECTOR_WORDS = KEY_ROWS * KEY_ROW_WORDS,
    KEY_STEP_WORDS = POINTS / 8 * KEY_VECTOR_WORDS,

    LOW_BITS = 20, // of a word in the low part
    DROPPED_BITS = 44, // of a word below it, which carry nothing
    DIGIT_BITS = 24,
    HALF_DIGIT = 1 << (DIGIT_BITS - 1),
    SPARE_BITS = LOW_BITS - 8, // of the low part below the lowest digit
    VALUES = 16, // of a block, in units of 2^123
    UNIT_SHIFT = 123 - 64
};

// Half a base for each digit: it makes all three unsigned.
#define UNSIGNED ((1ull << 15) + (1ull << 39) + (1ull << 63))
// Adding it rounds |y| < 2^51 to an integer, in whose place its own bits are left over.
#define ROUND 6755399441055744.0 // 1.5 2^52
#define ROUND_BITS 0x4338000000000000ull

// This level's digits of X^amount p - p for a thread's 32 coefficients, two to a point; the top level's wraps.
//
// Half a unit of the lowest digit is 2048 units of the low part. It alternates with the parity of the coefficient, which
// is that of the column: ties up and ties down, so that the mean rounding error is zero.
INLINE void digits(const u64* high, const int* low, int column, int amount, int level, Complex* x) {
    const int half = (1 << (SPARE_BITS - 1)) - (column & 1);
#pragma unroll
    for (int m = 0; m < 32; m++) {
        const int j = coefficient(m, column), source = j - amount, place = source & (N - 1);
        const u64 turned_high = source & N ? 0 - high[place] : high[place];
        const int turned_low = source & N ? -low[place] : low[place];
        // The low part's carry is signed; its eight bits below the high part belong to the lowest digit.
        const int rest = (turned_low - low[j] + half) >> SPARE_BITS;
        const u64 word = turned_high - high[j] + UNSIGNED + (u64)(long long)(rest >> 8);
        const u32 upper = (u32)(word >> 32), lower = (u32)word;
        const u32 field = level == 0 ? upper >> 8 : level == 1 ? upper << 16 | lower >> 16 : lower << 8 | (rest & 255);
        const int digit = (int)(field & (2 * HALF_DIGIT - 1)) - HALF_DIGIT;
        if (m & 1)
            x[m >> 1].im = (double)digit;
        else
            x[m >> 1].re = (double)digit;
    }
}

INLINE void load_factors(Complex* w, const Complex* from, int stride) {
#pragma unroll
    for (int k = 0; k < FACTORS; k++) w[k] = from[stride * k];
}

// The passes of a row's eight threads, which belong to one warp; `turn`: polynomial, row, element or child.
INLINE byte* row_of(byte* work, int turn) {
    return work + POLYNOMIAL_BYTES * (turn / GROUP) + ROW_BYTES * (turn % GROUP / 8);
}

INLINE void across(byte* work, int turn, const Complex* factors, int is_forward) {
    byte* const row = row_of(work, turn);
    Complex x[8], w[FACTORS];
    load_factors(w, factors + FACTORS * (turn % GROUP / 8), 1);
    load_element(row, turn % 8, x);
    if (is_forward)
        eight(x, w);
    else
        eight_inverse(x, w);
    store_element(row, turn % 8, x);
}

// Between shared memory and the area, [polynomial][row][e][lane].
INLINE Complex* frequencies(Complex* area, int turn) {
    return area + POINTS * (turn / GROUP) + 64 * (turn % GROUP / 8) + turn % 8;
}

INLINE void within_forward(byte* work, int turn, const Complex* factors, Complex* area) {
    Complex x[8], w[FACTORS];
    load_factors(w, factors + ACROSS_FACTORS + turn % GROUP, GROUP);
    load_child(row_of(work, turn), turn % 8, turn % 8, x);
    eight(x, w);
#pragma unroll
    for (int e = 0; e < 8; e++) frequencies(area, turn)[8 * e] = x[e];
}

INLINE void within_inverse(byte* work, int turn, const Complex* factors, Complex* area) {
    Complex x[8], w[FACTORS];
    load_factors(w, factors + ACROSS_FACTORS + turn % GROUP, GROUP);
#pragma unroll
    for (int e = 0; e < 8; e++) x[e] = frequencies(area, turn)[8 * e];
    eight_inverse(x, w);
    store_child(row_of(work, turn), turn % 8, turn % 8, x);
}

// amounts: [batch][n + 1] below 2N. Shared memory: three polynomials.
KERNEL(FORWARD_THREADS, 3)
squash_forward(const u64* __restrict__ highs, const int* __restrict__ lows, const u16* __restrict__ amounts,
               const Complex* __restrict__ factors, Complex* __restrict__ areas, int step, int n) {
    DYNAMIC_SHARED(work);
    const int thread = threadIdx.x, level = thread / COLUMN_THREADS, column = thread % COLUMN_THREADS;
    const u64 ciphertext = blockIdx.y, polynomial = COLUMNS * ciphertext + blockIdx.x;
    Complex* const area = areas + AREA * ciphertext + LEVELS * POINTS * blockIdx.x;
    byte* const rows_at = (byte*)point(work + POLYNOMIAL_BYTES * level, column / 8, column % 8);
    // An amount of zero is no exception: all its digits are zero, and it adds exactly zero.
    const int amount = amounts[ciphertext * (n + 1) + step];
    {
        Complex x[16];
        digits(highs + N * polynomial, lows + N * polynomial, column, amount, level, x);
        rows(x);
#pragma unroll
        for (int r = 0; r < 16; r++) *(Complex*)(rows_at + ROW_BYTES * r) = x[r];
    }
    __syncthreads();
#pragma unroll 1
    for (int turn = thread; turn < GROUP * LEVELS; turn += FORWARD_THREADS) across(work, turn, factors, 1);
    meet_warp();
#pragma unroll 1
    for (int turn = thread; turn < GROUP * LEVELS; turn += FORWARD_THREADS) within_forward(work, turn, factors, area);
}

// Nine digit polynomials to twelve sums, in place, from key row 0 to 8. A thread keeps the 36 key numbers of a frequency
// and a column in registers, for `share` ciphertexts one after another. Shared memory: two times nine tiles.
KERNEL(PRODUCT_THREADS, 1)
squash_product(const double* __restrict__ key, Complex* __restrict__ areas, int step, int share, int batch) {
    DYNAMIC_SHARED(memory);
    const int column = threadIdx.x / TILE, frequency = threadIdx.x % TILE;
    const u64 vector = TILE / 8 * blockIdx.x + frequency / 8;
    const double* const from =
        key + (u64)step * KEY_STEP_WORDS + vector * KEY_VECTOR_WORDS + 16 * LIMBS * column + frequency % 8;
    Complex k[KEY_ROWS * LIMBS];
#pragma unroll
    for (int row = 0; row < KEY_ROWS; row++) {
#pragma unroll
        for (int limb = 0; limb < LIMBS; limb++) {
            const double* const number = from + KEY_ROW_WORDS * row + 16 * limb;
            k[LIMBS * row + limb] = complex_of(number[0], number[8]);
        }
    }
    const int first = share * blockIdx.y, last = first + share < batch ? first + share : batch;
    for (int ciphertext = first; ciphertext < last; ciphertext++) {
        Complex* const area = areas + (u64)AREA * ciphertext + TILE * blockIdx.x + frequency;
        // Two places in turn: who has met the others for this ciphertext is through with the one before.
        Complex* const inputs = (Complex*)memory + KEY_ROWS * TILE * (ciphertext & 1) + frequency;
#pragma unroll
        for (int row = 0; row < LEVELS; row++)
            inputs[TILE * (COLUMNS * row + column)] = area[POINTS * (COLUMNS * row + column)];
        __syncthreads();
        Complex sums[LIMBS];
#pragma unroll
        for (int row = 0; row < KEY_ROWS; row++) {
            const Complex p = inputs[TILE * row];
#pragma unroll
            for (int limb = 0; limb < LIMBS; limb++) {
                const Complex number = k[LIMBS * row + limb];
                sums[limb] = row ? plus_product(sums[limb], p, number) : product(p, number);
            }
        }
#pragma unroll
        for (int limb = 0; limb < LIMBS; limb++) area[POINTS * (LIMBS * column + limb)] = sums[limb];
    }
}

// Limb 0 has the weight of the low part's last bit, |y| < 2^62. The others have integers below 2^51, which the distance
// of 24 standard deviations makes exact, and 2^10, 2^28, 2^46 in the high part.
INLINE u64 rounded(double y, int limb) {
    if (limb == 0) return (u64)__double2ll_rn(y);
    return ((u64)__double_as_longlong(__dadd_rn(y, ROUND)) - ROUND_BITS) << (18 * limb - 8);
}

// Shared memory: four polynomials, in whose places the rounded numbers lie in the end.
KERNEL(INVERSE_THREADS, 2)
squash_inverse(u64* __restrict__ highs, int* __restrict__ lows, const Complex* __restrict__ factors,
               Complex* __restrict__ areas) {
    DYNAMIC_SHARED(work);
    const int thread = threadIdx.x, limb = thread / COLUMN_THREADS, column = thread % COLUMN_THREADS;
    const u64 ciphertext = blockIdx.y, polynomial = COLUMNS * ciphertext + blockIdx.x;
    Complex* const area = areas + AREA * ciphertext + LIMBS * POINTS * blockIdx.x;
#pragma unroll 1
    for (int turn = thread; turn < GROUP * LIMBS; turn += INVERSE_THREADS) within_inverse(work, turn, factors, area);
    meet_warp();
#pragma unroll 1
    for (int turn = thread; turn < GROUP * LIMBS; turn += INVERSE_THREADS) across(work, turn, factors, 0);
    __syncthreads();
    byte* const column_at = (byte*)point(work, column / 8, column % 8);
    {
        byte* const rows_at = column_at + POLYNOMIAL_BYTES * limb;
        Complex x[16];
#pragma unroll
        for (int r = 0; r < 16; r++) x[r] = *(Complex*)(rows_at + ROW_BYTES * r);
        rows_inverse(x);
#pragma unroll
        for (int r = 0; r < 16; r++) {
            u64* const pair = (u64*)(rows_at + ROW_BYTES * r);
            pair[0] = rounded(x[r].re, limb);
            pair[1] = rounded(x[r].im, limb);
        }
    }
    __syncthreads();
    // Now a thread has a quarter of its column's coefficients, and the limbs of each: sums modulo 2^84, in any order.
    u64* const high = highs + N * polynomial;
    int* const low = lows + N * polynomial;
#pragma unroll
    for (int m = 0; m < 32 / LIMBS; m++) {
        const int index = LIMBS * m + limb, j = coefficient(index, column);
        const byte* const at = column_at + ROW_BYTES * (index >> 1) + 8 * (index & 1);
        const long long sum = low[j] + *(const long long*)at;
        u64 added = (u64)(sum >> LOW_BITS);
#pragma unroll
        for (int other = 1; other < LIMBS; other++) added += *(const u64*)(at + POLYNOMIAL_BYTES * other);
        high[j] += added;
        low[j] = (int)(sum & ((1 << LOW_BITS) - 1));
    }
}

// accumulators = (0, 0, X^-exponent times the identity's test polynomial); a block for each ciphertext. Box v has
// N / 16 coefficients around its middle, so the polynomial begins with half of box 0.
KERNEL(EDGE_THREADS, 1)
squash_start(u64* __restrict__ highs, int* __restrict__ lows, const u16* __restrict__ amounts, int n) {
    const u64 ciphertext = blockIdx.x;
    const int exponent = amounts[ciphertext * (n + 1) + n];
    for (int j = threadIdx.x; j < COLUMNS * N; j += EDGE_THREADS) {
        const int source = j % N + exponent, box = (source % N + N / VALUES / 2) / (N / VALUES) % VALUES;
        const u64 value = (u64)box << UNIT_SHIFT, turned = (source / N) & 1 ? 0 - value : value;
        highs[COLUMNS * N * ciphertext + j] = j / N == COLUMNS - 1 ? turned : 0;
        lows[COLUMNS * N * ciphertext + j] = 0;
    }
}

// Sample extraction of the constant coefficient: N words of each mask polynomial, then the body; low half first.
KERNEL(EDGE_THREADS, 1)
squash_extract(const u64* __restrict__ highs, const int* __restrict__ lows, u64* __restrict__ outputs) {
    const u64 ciphertext = blockIdx.x;
    for (int i = threadIdx.x; i < SQUASHED_LWE; i += EDGE_THREADS) {
        // (a s)_0 = a_0 s_0 - sum over j > 0 of a_(N-j) s_j
        const int is_minus = i % N != 0;
        const u64 at = COLUMNS * N * ciphertext + N * (i / N) + (is_minus ? N - i % N : 0);
        const u64 low = (u64)lows[at] << DROPPED_BITS, high = highs[at];
        u64* const output = outputs + 2 * (SQUASHED_LWE * ciphertext + i);
        output[0] = is_minus ? 0 - low : low;
        // the borrow of the low half
        output[1] = is_minus ? 0 - high - (low != 0) : high;
    }
}
