// Blind rotation and extraction of several functions, for many ciphertexts: a block of CIPHERTEXTS of them, 128 threads
// each (Chillotti, Gama, Georgieva, Izabachene, "TFHE: fast fully homomorphic encryption over the torus", 2018).
//
// A step is three passes forward, the product with the key, and three passes back:
//   rows     thread = polynomial and column 0..63, sixteen rows in registers; then shared memory, all 128 threads meet
//   across   thread = row (a block of 64 points) and element 0..7, for both polynomials; then the eight threads of a row,
//            which belong to one warp, meet
//   within   thread = row and child 0..7, both polynomials in registers, so that the product needs no exchange
// Ciphertexts of a block meet nowhere, they drift apart, and one computes while another one moves data.
//
// The key of a step, 64 KB, is fetched once for all ciphertexts of a block: the last one that is through with it asks
// for the next into its place. With KEY_STEPS = 0 every thread reads the key where it lies: for machines without the
// engine for bulk copies.

enum {
    GROUP = 128, // threads of a ciphertext
    DROPPED_BITS = 9, // of an accumulator word below its digit
    TORUS_SHIFT = 32, // an accumulator keeps the upper half of a torus word

    STEP_COMPLEX = 2 * 2 * N / 2,
    STEP_BYTES = 16 * STEP_COMPLEX,
    ACCUMULATOR_BYTES = 2 * 4 * N,
    WORK_BYTES = 2 * POLYNOMIAL_BYTES,

    // Shared memory of a block; `program.py` counts the same bytes.
    KEY_PLACE = 0,
    ACCUMULATOR_PLACE = KEY_PLACE + KEY_STEPS * STEP_BYTES,
    WORK_PLACE = ACCUMULATOR_PLACE + CIPHERTEXTS * ACCUMULATOR_BYTES,
    FACTOR_PLACE = WORK_PLACE + CIPHERTEXTS * WORK_BYTES,
    LANDING_PLACE = FACTOR_PLACE + 16 * ACROSS_FACTORS,
    COUNTER_PLACE = LANDING_PLACE + 64
};

// What a thread works on.
typedef struct {
    int column;            // rows: 0..63
    int* accumulator;      // rows: its polynomial
    byte* rows;            // rows: its column, ROW_BYTES from row to row
    int lane;              // across, within: element or child
    byte* row;             // across, within: its row of the first polynomial
    const Complex* across; // factors of its row
} Place;

// accumulator = (0, X^-exponent table), all of it by the threads of its polynomial.
INLINE void start(const Place* place, int is_body, const int* table, int exponent) {
#pragma unroll 4
    for (int m = 0; m < 32; m++) {
        const int j = 64 * m + place->column, source = j + exponent, value = table[source % N];
        const int turned = (source / N) & 1 ? (int)(0u - (u32)value) : value;
        place->accumulator[j] = is_body ? turned : 0;
    }
}

// Digits of X^amount p - p for this thread's 32 coefficients, two to a point. `own` are its words of p, which it keeps in
// registers: only the turned ones are read from shared memory.
//
// Half a unit of the digit is 256. The constant alternates with the parity of the coefficient, which is that of the
// column, because one sum in 512 is a tie: rounding all of them up would be a bias of one sign in every step.
INLINE void digits(const Place* place, const int* own, int amount, Complex* x) {
    const u32 half = 256 - (place->column & 1);
    const int first = place->column - amount;
#pragma unroll
    for (int m = 0; m < 32; m++) {
        const int source = first + coefficient(m, 0);
        const u32 word = (u32)place->accumulator[source & (N - 1)];
        const u32 turned = source & N ? 0u - word : word;
        const int digit = (int)(turned - (u32)own[m] + half) >> DROPPED_BITS;
        if (m & 1)
            x[m >> 1].im = (double)digit;
        else
            x[m >> 1].re = (double)digit;
    }
}

INLINE void rows_forward(const Place* place, const int* own, int amount) {
    Complex x[16];
    digits(place, own, amount, x);
    rows(x);
#pragma unroll
    for (int r = 0; r < 16; r++) *(Complex*)(place->rows + ROW_BYTES * r) = x[r];
}

// p += round(transform back) modulo 2^32, rounding half to even as the CPU does.
INLINE void rows_back(const Place* place, int* own) {
    Complex x[16];
#pragma unroll
    for (int r = 0; r < 16; r++) x[r] = *(Complex*)(place->rows + ROW_BYTES * r);
    rows_inverse(x);
#pragma unroll
    for (int m = 0; m < 32; m++) {
        own[m] = (int)((u32)own[m] + (u32)__double2ll_rn(m & 1 ? x[m >> 1].im : x[m >> 1].re));
        place->accumulator[coefficient(m, place->column)] = own[m];
    }
}

INLINE void across(const Place* place, int lane, int is_forward) {
    Complex w[FACTORS];
#pragma unroll
    for (int k = 0; k < FACTORS; k++) w[k] = place->across[k];
#pragma unroll
    for (int polynomial = 0; polynomial < 2; polynomial++) {
        byte* const row = place->row + POLYNOMIAL_BYTES * polynomial;
        Complex x[8];
        load_element(row, lane, x);
        if (is_forward)
            eight(x, w);
        else
            eight_inverse(x, w);
        store_element(row, lane, x);
    }
}

// (x, y) -> (x k00 + y k10, x k01 + y k11); `key`: [e 8][column 2][row 2][thread 128] from this thread on.
INLINE void multiply(Complex* x, Complex* y, const Complex* key) {
#pragma unroll
    for (int e = 0; e < 8; e++) {
        const Complex* const k = key + 4 * GROUP * e;
        const Complex k00 = k[0], k10 = k[GROUP], k01 = k[2 * GROUP], k11 = k[3 * GROUP];
        const Complex mask = dot(x[e], k00, y[e], k10);
        y[e] = dot(x[e], k01, y[e], k11);
        x[e] = mask;
    }
}

// Sample extraction of the coefficients that are wanted of a ciphertext (many-LUT: Chillotti, Ligier, Orfila, Tap,
// "Improved programmable bootstrapping", 2021): N mask words, then the body.
INLINE void extract(const int* accumulator, int thread, const u32* coefficients, u32 first, u32 last, u64* outputs) {
    for (u32 read = first; read < last; read++) {
        const int position = (int)coefficients[read];
        u64* const output = outputs + (u64)read * BIG_LWE;
        for (int j = thread; j < N; j += GROUP) {
            const u32 word = (u32)accumulator[(position - j) & (N - 1)];
            output[j] = (u64)(j <= position ? word : 0u - word) << TORUS_SHIFT;
        }
        if (thread == 0) output[N] = (u64)(u32)accumulator[N + position] << TORUS_SHIFT;
    }
}

// key:          [step n][e 8][column 2][row 2][thread 128]
// factors:      [row 16][5] of `across`, then [5][thread 128] of `within`
// amounts:      [batch][n + 1] below 2N, the body's last
// tables:       [table][N], the upper halves of torus words
// table_of:     [batch]
// first_read:   [batch + 1], where the reads of a ciphertext begin
// coefficients: [reads], which coefficient each read extracts
// outputs:      [reads][N + 1]
KERNEL(GROUP * CIPHERTEXTS, 1)
blind_rotate(const Complex* __restrict__ key, const Complex* __restrict__ factors, const u16* __restrict__ amounts,
             const int* __restrict__ tables, const u32* __restrict__ table_of, const u32* __restrict__ first_read,
             const u32* __restrict__ coefficients, u64* __restrict__ outputs, int n, int batch) {
    DYNAMIC_SHARED(memory);
    const int group = threadIdx.x / GROUP, thread = threadIdx.x % GROUP, is_body = thread / 64;
    const int wanted = blockIdx.x * CIPHERTEXTS + group;
    // A place without a ciphertext repeats the last one and writes nothing: its threads have to meet the others' key.
    const int ciphertext = wanted < batch ? wanted : batch - 1;
    const u16* const amount_of = amounts + (u64)ciphertext * (n + 1);
    byte* const accumulators = memory + ACCUMULATOR_PLACE + group * ACCUMULATOR_BYTES;
    byte* const work = memory + WORK_PLACE + group * WORK_BYTES;
    Complex* const across_factors = (Complex*)(memory + FACTOR_PLACE);

    Place place;
    place.column = thread % 64;
    place.lane = thread % 8;
    place.accumulator = (int*)accumulators + is_body * N;
    // its column is point (column / 8, column % 8) of every row
    place.rows = (byte*)point(work + is_body * POLYNOMIAL_BYTES, place.column / 8, place.column % 8);
    place.row = work + ROW_BYTES * (thread / 8);
    place.across = across_factors + FACTORS * (thread / 8);

#if KEY_STEPS
    u64* const landing = (u64*)(memory + LANDING_PLACE);  // [KEY_STEPS] a step's key has come
    u32* const through = (u32*)(memory + COUNTER_PLACE); // [KEY_STEPS] ciphertexts that are through with it
    if (threadIdx.x == 0) {
        for (int step = 0; step < KEY_STEPS; step++) {
            landing_start(landing + step);
            through[step] = 0;
        }
        landing_publish();
        for (int step = 0; step < KEY_STEPS && step < n; step++)
            fetch(memory + step * STEP_BYTES, (const byte*)key + step * STEP_BYTES, STEP_BYTES, landing + step);
    }
#endif
    for (int k = threadIdx.x; k < ACROSS_FACTORS; k += GROUP * CIPHERTEXTS) across_factors[k] = factors[k];
    Complex within_factors[FACTORS];
#pragma unroll
    for (int k = 0; k < FACTORS; k++) within_factors[k] = factors[ACROSS_FACTORS + GROUP * k + thread];

    start(&place, is_body, tables + (u64)table_of[ciphertext] * N, amount_of[n]);
    int own[32]; // no barrier before: a thread starts exactly the words that it owns
#pragma unroll
    for (int m = 0; m < 32; m++) own[m] = place.accumulator[coefficient(m, place.column)];
    __syncthreads();

    int amount = amount_of[0];
    for (int step = 0; step < n; step++) {
        const int lane = opaque(place.lane);
#if KEY_STEPS
        const int held = step % KEY_STEPS; // where this step's key lies
#endif
        // An amount of zero is no exception, it adds exactly zero: all ciphertexts of a block keep to one key schedule.
        rows_forward(&place, own, amount);
        amount = amount_of[step + 1]; // of the next step, early; behind the last step the body's, unused
        meet(1 + group, GROUP);
        across(&place, lane, 1);
        meet_warp();
        {
            Complex x[8], y[8];
            load_child(place.row, place.lane, lane, x);
            eight(x, within_factors);
            load_child(place.row + POLYNOMIAL_BYTES, place.lane, lane, y);
            eight(y, within_factors);
#if KEY_STEPS
            landing_wait(landing + held, (step / KEY_STEPS) & 1);
            multiply(x, y, (const Complex*)(memory + held * STEP_BYTES) + thread);
#else
            multiply(x, y, key + (u64)step * STEP_COMPLEX + thread);
#endif
            eight_inverse(x, within_factors);
            store_child(place.row, place.lane, lane, x);
            eight_inverse(y, within_factors);
            store_child(place.row + POLYNOMIAL_BYTES, place.lane, lane, y);
        }
        meet_warp();
        across(&place, lane, 0);
        meet(1 + group, GROUP);
#if KEY_STEPS
        // Behind the barrier this ciphertext has read its key; the last of the block fetches the next into its place.
        if (thread == 0 && count_modulo(through + held, CIPHERTEXTS - 1) == CIPHERTEXTS - 1 && step + KEY_STEPS < n)
            fetch(memory + held * STEP_BYTES, (const byte*)key + (u64)(step + KEY_STEPS) * STEP_BYTES, STEP_BYTES,
                  landing + held);
#endif
        rows_back(&place, own);
        meet(1 + group, GROUP);
    }
    if (wanted < batch)
        extract((const int*)accumulators, thread, coefficients, first_read[wanted], first_read[wanted + 1], outputs);
}
