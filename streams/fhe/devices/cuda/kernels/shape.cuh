// The shape of all ciphertexts: that of the pinned set (`native/kernel/src/parameters.rs`). The small key's n is free.

enum {
    N = 2048,      // coefficients of a polynomial, and bits of the big key
    ORDER = 2 * N, // of X
    BIG_LWE = N + 1 // words of a ciphertext under the big key
};
