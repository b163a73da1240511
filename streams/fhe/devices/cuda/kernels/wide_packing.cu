// Packing of squashed ciphertexts, exact modulo 2^128: (a_j, b_j) -> sum over j of X^j ((0, b_j) - sum over inputs i of
// digit(a_ij) K_i), a digit of 61 bits for each input (`native/kernel/src/squash/packing.rs`). Sums wrap, so their order
// does not matter.
//
// lwes: [count][4097][low, high]; digits: [share of eight ciphertexts][input 4096][ciphertext 8]
// key:  [chunk 4][column / 8][input 1024, then their sum][low 8, high 8], the file of the CPU as it is

enum {
    PACKED_INPUTS = SQUASHED_LWE - 1,
    PACKED_DIGIT_BITS = 61,
    CHUNK_INPUTS = 1024,
    SHARE = 8, // ciphertexts of a thread
    PACK_THREADS = 128
};

// A number modulo 2^128.
typedef struct {
    u64 low, high;
} Wide;

INLINE void add_wide(Wide* sum, u64 low, u64 high) {
    sum->low += low;
    sum->high += high + (sum->low < low);
}

INLINE void subtract_wide(Wide* sum, u64 low, u64 high) {
    sum->high -= high + (sum->low < low);
    sum->low -= low;
}

// sum += digit (low, high), for a signed digit.
INLINE void add_product(Wide* sum, u64 digit, u64 low, u64 high) {
    const u64 below_zero = digit >> 63 ? low : 0; // its two's complement is 2^64 too large
    add_wide(sum, digit * low, __umul64hi(digit, low) + digit * high - below_zero);
}

// The upper 61 bits of a mask word, half rounded up, in (-2^60, 2^60]. A place without a ciphertext has zeros.
KERNEL(PACK_THREADS, 1)
wide_digits(const u64* __restrict__ lwes, u64* __restrict__ digits, int count) {
    const u64 input = PACK_THREADS * blockIdx.x + threadIdx.x, ciphertext = blockIdx.y;
    u64 digit = 0;
    if (ciphertext < count) {
        const u64 base = 1ull << PACKED_DIGIT_BITS, high = lwes[2 * (SQUASHED_LWE * ciphertext + input) + 1];
        const u64 rounded = (((high >> (63 - PACKED_DIGIT_BITS)) + 1) >> 1) & (base - 1);
        digit = rounded > base / 2 ? rounded - base : rounded;
    }
    digits[SHARE * (PACKED_INPUTS * (ciphertext / SHARE) + input) + ciphertext % SHARE] = digit;
}

// switched: [count][column][low, high]; thread = column, for eight ciphertexts.
KERNEL(PACK_THREADS, 1)
wide_product(const u64* __restrict__ key, const u64* __restrict__ digits, u64* __restrict__ switched, int columns,
             int count) {
    const u64 column = PACK_THREADS * blockIdx.x + threadIdx.x, first = SHARE * blockIdx.y;
    if (column >= columns) return;
    Wide sums[SHARE];
#pragma unroll
    for (int place = 0; place < SHARE; place++) sums[place].low = sums[place].high = 0;
#pragma unroll 1
    for (int input = 0; input < PACKED_INPUTS; input++) {
        const u64 tile = (u64)(columns / 8) * (input / CHUNK_INPUTS) + column / 8;
        const u64* const word = key + 16 * ((CHUNK_INPUTS + 1) * tile + input % CHUNK_INPUTS) + column % 8;
        const u64* const digit = digits + PACKED_INPUTS * first + SHARE * input;
        const u64 low = word[0], high = word[8];
#pragma unroll
        for (int place = 0; place < SHARE; place++) add_product(sums + place, digit[place], low, high);
    }
#pragma unroll
    for (int place = 0; place < SHARE; place++) {
        if (first + place >= count) break;
        u64* const output = switched + 2 * (columns * (first + place) + column);
        output[0] = sums[place].low;
        output[1] = sums[place].high;
    }
}

// packed: [column][low, high], the body's polynomial last. X^j moves words up by j; what leaves a polynomial at the top
// comes back negated.
KERNEL(PACK_THREADS, 1)
wide_sum(const u64* __restrict__ switched, const u64* __restrict__ lwes, u64* __restrict__ packed, int columns, int size,
         int count) {
    const int column = PACK_THREADS * blockIdx.x + threadIdx.x, place = column % size;
    if (column >= columns) return;
    Wide sum;
    sum.low = sum.high = 0;
    for (int degree = 0; degree < count; degree++) {
        const int source = column - degree + (place < degree ? size : 0);
        const u64* const word = switched + 2 * ((u64)columns * degree + source);
        if (place < degree)
            add_wide(&sum, word[0], word[1]);
        else
            subtract_wide(&sum, word[0], word[1]);
    }
    if (column >= columns - size && place < count) {
        const u64* const body = lwes + 2 * ((u64)SQUASHED_LWE * place + SQUASHED_LWE - 1);
        add_wide(&sum, body[0], body[1]);
    }
    packed[2 * column] = sum.low;
    packed[2 * column + 1] = sum.high;
}
