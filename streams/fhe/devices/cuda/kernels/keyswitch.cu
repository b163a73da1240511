// Keyswitch: (a, b) -> (0, b) - sum over inputs i and levels l of digit_l(a_i) K_(i,l), modulo 2^64, exactly.
//
// Key words are cut into bytes, so that the sum is a product of a matrix of unsigned bytes and one of signed digits on
// the tensor cores: 2048 x 4 products of 255 x 8 stay below 2^25. One 32-bit word holds the four digits of an input, which
// meet the bytes of equal weight of its four levels. Both lie in memory in the order in which the registers of a warp
// want them: an index of 32 products is a tile of eight inputs.

enum {
    K_TILES = N / 8,
    SHARE = 32, // ciphertexts of a warp
    KEY_TILE = 4 * 32, // 16-byte words: byte weights in pairs, then lanes
    DIGIT_TILE = 2 * 32,
    WORD_BYTES = 8,
    DIGIT_BITS = 4,
    BASE = 1 << DIGIT_BITS
};

// The upper `bits` bits of a word, half rounded up, as a signed number in [-half, half]. Between LWE keys a word exactly
// in the middle goes down if rounding took it there; before packing it always stays up.
INLINE int balanced(u64 word, int bits, int is_tie_rounded) {
    const int half = 1 << (bits - 1);
    const u64 with_round_bit = word >> (63 - bits);
    const int value = (int)((with_round_bit + 1) >> 1) & (2 * half - 1);
    const int goes_down = value > half || (value == half && (with_round_bit & 1) && is_tie_rounded);
    return goes_down ? value - 2 * half : value;
}

// Digits in [-8, 8] as bytes, the least significant level first; unused levels are zero.
INLINE u32 decompose(u64 word, int levels, int is_tie_rounded) {
    int rest = balanced(word, DIGIT_BITS * levels, is_tie_rounded);
    u32 digits = 0;
    for (int level = 0; level < levels; level++) {
        const int low = rest & (BASE - 1);
        rest >>= DIGIT_BITS;
        // above one half carries; exactly one half carries if the remaining value is odd in its bit 3
        const int carry = ((((low - 1) | rest) & low) >> (DIGIT_BITS - 1)) & 1;
        rest += carry;
        digits |= (u32)((low - (carry << DIGIT_BITS)) & 255) << (8 * level);
    }
    return digits;
}

// lwes: [batch][N + 1]; digits: [share of 32 ciphertexts][k tile][half 2][lane 32][4]; grid: N / 256, shares x 32
KERNEL(256, 1)
keyswitch_digits(const u64* __restrict__ lwes, u32* __restrict__ digits, int batch, int levels, int is_tie_rounded) {
    const int input = blockIdx.x * 256 + threadIdx.x, ciphertext = blockIdx.y;
    u32 word = 0; // of places without a ciphertext
    if (ciphertext < batch) word = decompose(lwes[(u64)ciphertext * BIG_LWE + input], levels, is_tie_rounded);
    // Ciphertext c of a share is column c % 8 of column tile c / 8, and two of these are one 16-byte word of a lane.
    const int tile = input / 8, quad = input % 8, column_tile = ciphertext % SHARE / 8;
    const int lane = (ciphertext % 8) * 4 + quad % 4, part = column_tile % 2 * 2 + quad / 4;
    digits[((((u64)(ciphertext / SHARE) * K_TILES + tile) * 2 + column_tile / 2) * 32 + lane) * 4 + part] = word;
}

// outputs -= product. A thread has row lane / 4 of row tile m, which is byte 2 m of a word, and row lane / 4 + 8, its byte
// 2 m + 1: it ends with all eight bytes of its words, without an exchange.
INLINE u64 gathered(int sums[4][4][4], int column_tile, int parity) {
    u64 word = 0;
#pragma unroll
    for (int m = 0; m < 4; m++) {
        word += (u64)(long long)sums[m][column_tile][parity] << (16 * m);
        word += (u64)(long long)sums[m][column_tile][2 + parity] << (16 * m + 8);
    }
    return word;
}

INLINE void product_tile(const uint4* key, const uint4* digits, int sums[4][4][4]) {
    uint4 a[4], b[2];
#pragma unroll
    for (int m = 0; m < 4; m++) a[m] = key[m * 32];
#pragma unroll
    for (int v = 0; v < 2; v++) b[v] = digits[v * 32];
#pragma unroll
    for (int m = 0; m < 4; m++)
#pragma unroll
        for (int v = 0; v < 4; v++) {
            const u32 rows[4] = {a[m].x, a[m].y, a[m].z, a[m].w};
            const u32 columns[2] = {v & 1 ? b[v >> 1].z : b[v >> 1].x, v & 1 ? b[v >> 1].w : b[v >> 1].y};
            multiply_bytes(sums[m][v], rows, columns);
        }
}

// key: [group of 8 output words][k tile][byte pair 4][lane 32] of 16 bytes; outputs: [batch][words]; the body of an
// input is added to the word `body`. A warp: eight words of 32 ciphertexts; grid: groups / 2, shares / 2.
KERNEL(128, 4)
keyswitch_product(const uint4* __restrict__ key, const uint4* __restrict__ digits, const u64* __restrict__ lwes,
                  u64* __restrict__ outputs, int words, int body, int batch) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int group = blockIdx.x * 2 + warp % 2, share = blockIdx.y * 2 + warp / 2;
    if (group * WORD_BYTES >= words || share * SHARE >= batch) return;
    const uint4* const rows = key + (u64)group * K_TILES * KEY_TILE + lane;
    const uint4* const columns = digits + (u64)share * K_TILES * DIGIT_TILE + lane;
    int sums[4][4][4];
#pragma unroll
    for (int index = 0; index < 64; index++) sums[index / 16][index / 4 % 4][index % 4] = 0;
#pragma unroll 2
    for (int tile = 0; tile < K_TILES; tile++) product_tile(rows + tile * KEY_TILE, columns + tile * DIGIT_TILE, sums);

    const int word = group * 8 + lane / 4;
#pragma unroll
    for (int index = 0; index < 8; index++) {
        const int column_tile = index / 2, parity = index % 2;
        const int ciphertext = share * SHARE + column_tile * 8 + lane % 4 * 2 + parity;
        if (ciphertext >= batch || word >= words) continue;
        const u64 start = word == body ? lwes[(u64)ciphertext * BIG_LWE + N] : 0;
        outputs[(u64)ciphertext * words + word] = start - gathered(sums, column_tile, parity);
    }
}
