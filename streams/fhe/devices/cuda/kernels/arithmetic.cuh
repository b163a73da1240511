// Complex numbers of doubles, and the one order of operations in which they are multiplied.
//
// Every operation names its rounding, so that no compiler contracts, splits or reorders it: the graph of IEEE
// operations is that of `native/kernel/src/fourier`, and so are the bits.

typedef struct __align__(16) {
    double re, im;
} Complex;

// a b + c and c - a b, with one rounding.
INLINE double fused(double a, double b, double c) { return __fma_rn(a, b, c); }
INLINE double fused_minus(double a, double b, double c) { return __fma_rn(-a, b, c); }

INLINE Complex complex_of(double re, double im) {
    Complex z;
    z.re = re;
    z.im = im;
    return z;
}

INLINE Complex plus(Complex a, Complex b) { return complex_of(__dadd_rn(a.re, b.re), __dadd_rn(a.im, b.im)); }
INLINE Complex minus(Complex a, Complex b) { return complex_of(__dsub_rn(a.re, b.re), __dsub_rn(a.im, b.im)); }
// a + i b, a - i b
INLINE Complex plus_i(Complex a, Complex b) { return complex_of(__dsub_rn(a.re, b.im), __dadd_rn(a.im, b.re)); }
INLINE Complex minus_i(Complex a, Complex b) { return complex_of(__dadd_rn(a.re, b.im), __dsub_rn(a.im, b.re)); }

// z w: the products with w's real part are rounded, those with its imaginary part are fused.
INLINE Complex times(Complex z, Complex w) {
    return complex_of(fused_minus(w.im, z.im, __dmul_rn(w.re, z.re)), fused(w.im, z.re, __dmul_rn(w.re, z.im)));
}

// z times the conjugate of w, in the same order.
INLINE Complex times_conjugate(Complex z, Complex w) {
    return complex_of(fused(w.im, z.im, __dmul_rn(w.re, z.re)), fused_minus(w.im, z.re, __dmul_rn(w.re, z.im)));
}

// p k, in the order in which products with a key are made, and a + p k: row 0 of the key first.
INLINE Complex product(Complex p, Complex k) {
    return complex_of(fused_minus(p.im, k.im, __dmul_rn(p.re, k.re)), fused(p.im, k.re, __dmul_rn(p.re, k.im)));
}

INLINE Complex plus_product(Complex a, Complex p, Complex k) {
    return complex_of(fused_minus(p.im, k.im, fused(p.re, k.re, a.re)), fused(p.im, k.re, fused(p.re, k.im, a.im)));
}

// p k + q l
INLINE Complex dot(Complex p, Complex k, Complex q, Complex l) { return plus_product(product(p, k), q, l); }

// i w
INLINE Complex quarter_turned(Complex w) { return complex_of(-w.im, w.re); }
