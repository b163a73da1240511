// A transformed polynomial in shared memory, between the passes of its transform: sixteen rows of 64 points.
//
// Point (r, l) of a row's square of eight by eight is at 8 r + (l ^ r): all three passes read and write it without two
// threads of a warp in one bank. A thread of the pass over the rows has a column, one of the pass across a row an
// element l, and one of the pass within it a child r.

enum {
    POLYNOMIAL_BYTES = 16 * N / 2,
    ROW_BYTES = POLYNOMIAL_BYTES / 16,
    FACTORS = 5, // of an eight-point pass
    ACROSS_FACTORS = 16 * FACTORS
};

// Which coefficient the real (even index) or imaginary part of a column's point is.
INLINE int coefficient(int index, int column) { return 64 * (index >> 1) + 1024 * (index & 1) + column; }

INLINE Complex* point(byte* row, int r, int l) { return (Complex*)(row + 128 * r + ((l ^ r) << 4)); }

INLINE void load_element(byte* row, int element, Complex* x) {
#pragma unroll
    for (int r = 0; r < 8; r++) x[r] = *point(row, r, element);
}

INLINE void store_element(byte* row, int element, const Complex* x) {
#pragma unroll
    for (int r = 0; r < 8; r++) *point(row, r, element) = x[r];
}

// The child's eight points; `turn` is the same number again, where an opaque one keeps addresses out of registers.
INLINE void load_child(byte* row, int child, int turn, Complex* x) {
#pragma unroll
    for (int e = 0; e < 8; e++) x[e] = *(Complex*)(row + 128 * child + ((turn ^ e) << 4));
}

INLINE void store_child(byte* row, int child, int turn, const Complex* x) {
#pragma unroll
    for (int e = 0; e < 8; e++) *(Complex*)(row + 128 * child + ((turn ^ e) << 4)) = x[e];
}
