// From the torus to rotation amounts below 4096, with the rounding errors of the mask compensated in the body (de
// Ruijter, D'Anvers, Verbauwhede, "Don't be mean: reducing approximation noise in TFHE through mean compensation", 2025).

enum {
    SWITCH_THREADS = 128,
    EXPONENT_BITS = 12,
    EXPONENT_SHIFT = 64 - EXPONENT_BITS
};

// small: [batch][n + 1]; amounts: the same shape; one block for each ciphertext.
KERNEL(SWITCH_THREADS, 1)
switch_modulus(const u64* __restrict__ small, u16* __restrict__ amounts, int n) {
    __shared__ u64 errors[SWITCH_THREADS];
    const u64* const lwe = small + (u64)blockIdx.x * (n + 1);
    u16* const amount = amounts + (u64)blockIdx.x * (n + 1);
    u64 error = 0; // modulo 2^64, so the order of the sum does not matter
    for (int i = threadIdx.x; i < n; i += SWITCH_THREADS) {
        const u64 half_unit = 1ull << (EXPONENT_SHIFT - 1);
        const u64 rounded = ((lwe[i] + half_unit) >> EXPONENT_SHIFT) & ((1 << EXPONENT_BITS) - 1);
        amount[i] = (u16)rounded;
        error += lwe[i] - (rounded << EXPONENT_SHIFT);
    }
    errors[threadIdx.x] = error;
    __syncthreads();
    if (threadIdx.x != 0) return;
    for (int i = 1; i < SWITCH_THREADS; i++) error += errors[i];
    // Half of the sum is expected in the phase (arithmetic shift: rounds down). The body is cut, not rounded.
    amount[n] = (u16)((lwe[n] - (u64)((long long)error >> 1)) >> EXPONENT_SHIFT);
}
