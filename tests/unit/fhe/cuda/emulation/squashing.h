/* The kernels of the program that squashes, called as a driver calls them. */
static void call_squash_start(void **arguments) {
    squash_start(ARGUMENT(u64 *, 0), ARGUMENT(int *, 1), ARGUMENT(const u16 *, 2), ARGUMENT(int, 3));
}
ENTRY(squash_start)

static void call_squash_forward(void **arguments) {
    squash_forward(ARGUMENT(const u64 *, 0), ARGUMENT(const int *, 1), ARGUMENT(const u16 *, 2),
                   ARGUMENT(const Complex *, 3), ARGUMENT(Complex *, 4), ARGUMENT(int, 5), ARGUMENT(int, 6));
}
ENTRY(squash_forward)

static void call_squash_product(void **arguments) {
    squash_product(ARGUMENT(const double *, 0), ARGUMENT(Complex *, 1), ARGUMENT(int, 2), ARGUMENT(int, 3),
                   ARGUMENT(int, 4));
}
ENTRY(squash_product)

static void call_squash_inverse(void **arguments) {
    squash_inverse(ARGUMENT(u64 *, 0), ARGUMENT(int *, 1), ARGUMENT(const Complex *, 2), ARGUMENT(Complex *, 3));
}
ENTRY(squash_inverse)

static void call_squash_extract(void **arguments) {
    squash_extract(ARGUMENT(const u64 *, 0), ARGUMENT(const int *, 1), ARGUMENT(u64 *, 2));
}
ENTRY(squash_extract)

static void call_wide_digits(void **arguments) {
    wide_digits(ARGUMENT(const u64 *, 0), ARGUMENT(u64 *, 1), ARGUMENT(int, 2));
}
ENTRY(wide_digits)

static void call_wide_product(void **arguments) {
    wide_product(ARGUMENT(const u64 *, 0), ARGUMENT(const u64 *, 1), ARGUMENT(u64 *, 2), ARGUMENT(int, 3),
                 ARGUMENT(int, 4));
}
ENTRY(wide_product)

static void call_wide_sum(void **arguments) {
    wide_sum(ARGUMENT(const u64 *, 0), ARGUMENT(const u64 *, 1), ARGUMENT(u64 *, 2), ARGUMENT(int, 3),
             ARGUMENT(int, 4), ARGUMENT(int, 5));
}
ENTRY(wide_sum)
