// Packing: the sum over j of X^j times the keyswitched ciphertext j, one GLWE ciphertext in which ciphertext j is
// coefficient j (the public functional keyswitch of Chillotti, Gama, Georgieva, Izabachene, "TFHE: fast fully homomorphic
// encryption over the torus", 2018).

// switched: [count][polynomials][size]; packed: [polynomials][size]; one thread for each output word, in blocks of 128.
KERNEL(128, 1)
pack(const u64* __restrict__ switched, u64* __restrict__ packed, int count, int size, int words) {
    const int word = blockIdx.x * 128 + threadIdx.x;
    if (word >= words) return;
    const int polynomial = word / size * size, coefficient_of_sum = word % size;
    u64 sum = 0; // modulo 2^64: exact, in any order
    for (int degree = 0; degree < count; degree++) {
        const int source = coefficient_of_sum - degree;
        const u64* const glwe = switched + (u64)degree * words + polynomial;
        // what leaves at the top comes back negated
        sum += source >= 0 ? glwe[source] : 0 - glwe[source + size];
    }
    packed[word] = sum;
}
