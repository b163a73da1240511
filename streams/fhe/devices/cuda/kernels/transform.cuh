// The transform of Z[X]/(X^N + 1) in pieces that one thread computes in its registers.
//
// c_j = a_j + i a_(j + N/2) in C[X]/(X^(N/2) - i), split 4 4 | 4 2 | 4 2 ways: sixteen rows of 64 points, then each row
// as eight times eight. A thread computes sixteen points of the first two stages, or eight points of two later ones.

// Four points a stride apart: ((a+c)+(b+d), (a-c)+i(b-d), (a+c)-(b+d), (a-c)-i(b-d)).
INLINE void four(Complex* x, int stride) {
    const Complex even = plus(x[0], x[2 * stride]), rest = minus(x[0], x[2 * stride]);
    const Complex odd = plus(x[stride], x[3 * stride]), turn = minus(x[stride], x[3 * stride]);
    x[0] = plus(even, odd);
    x[stride] = plus_i(rest, turn);
    x[2 * stride] = minus(even, odd);
    x[3 * stride] = minus_i(rest, turn);
}

// The transposed transform: the two turned outputs change places.
INLINE void four_inverse(Complex* x, int stride) {
    const Complex even = plus(x[0], x[2 * stride]), rest = minus(x[0], x[2 * stride]);
    const Complex odd = plus(x[stride], x[3 * stride]), turn = minus(x[stride], x[3 * stride]);
    x[0] = plus(even, odd);
    x[stride] = minus_i(rest, turn);
    x[2 * stride] = minus(even, odd);
    x[3 * stride] = plus_i(rest, turn);
}

// Factors first, then the transform; and its mirror, four times its inverse.
INLINE void radix_four(Complex* x, int stride, const Complex* w) {
    x[stride] = times(x[stride], w[0]);
    x[2 * stride] = times(x[2 * stride], w[1]);
    x[3 * stride] = times(x[3 * stride], w[2]);
    four(x, stride);
}

INLINE void radix_four_inverse(Complex* x, int stride, const Complex* w) {
    four_inverse(x, stride);
    x[stride] = times_conjugate(x[stride], w[0]);
    x[2 * stride] = times_conjugate(x[2 * stride], w[1]);
    x[3 * stride] = times_conjugate(x[3 * stride], w[2]);
}

// Sixteen rows: the factors are equal for all threads, as constants they cost no load. [stage and child 5][3]
INLINE Complex row_factor(int index) { return complex_of(ROW_FACTORS[2 * index], ROW_FACTORS[2 * index + 1]); }

INLINE void row_factors(Complex* w, int set) {
#pragma unroll
    for (int m = 0; m < 3; m++) w[m] = row_factor(3 * set + m);
}

INLINE void rows(Complex* x) {
    Complex w[3];
    row_factors(w, 0);
#pragma unroll
    for (int q = 0; q < 4; q++) radix_four(x + q, 4, w);
#pragma unroll
    for (int child = 0; child < 4; child++) {
        row_factors(w, 1 + child);
        radix_four(x + 4 * child, 1, w);
    }
}

INLINE void rows_inverse(Complex* x) {
    Complex w[3];
#pragma unroll
    for (int child = 0; child < 4; child++) {
        row_factors(w, 1 + child);
        radix_four_inverse(x + 4 * child, 1, w);
    }
    row_factors(w, 0);
#pragma unroll
    for (int q = 0; q < 4; q++) radix_four_inverse(x + q, 4, w);
}

// The factor of pair k = 0..3 of an eight-point pass. Two are stored: the other two are i times these, bit for bit.
INLINE Complex pair_factor(const Complex* w, int pair) {
    return pair < 2 ? w[3 + pair] : quarter_turned(w[1 + pair]);
}

// Eight points, 4 * 2; `w`: three factors of radix four, two of radix two.
INLINE void eight(Complex* x, const Complex* w) {
#pragma unroll
    for (int q = 0; q < 2; q++) radix_four(x + q, 2, w);
#pragma unroll
    for (int pair = 0; pair < 4; pair++) {
        const Complex a = x[2 * pair], b = times(x[2 * pair + 1], pair_factor(w, pair));
        x[2 * pair] = plus(a, b);
        x[2 * pair + 1] = minus(a, b);
    }
}

INLINE void eight_inverse(Complex* x, const Complex* w) {
#pragma unroll
    for (int pair = 0; pair < 4; pair++) {
        const Complex a = x[2 * pair], b = x[2 * pair + 1];
        x[2 * pair] = plus(a, b);
        x[2 * pair + 1] = times_conjugate(minus(a, b), pair_factor(w, pair));
    }
#pragma unroll
    for (int q = 0; q < 2; q++) radix_four_inverse(x + q, 2, w);
}
