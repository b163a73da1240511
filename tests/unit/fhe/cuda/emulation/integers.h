/* The kernels of the program of integers, called as a driver calls them. */
static void call_keyswitch_digits(void **arguments) {
    keyswitch_digits(ARGUMENT(const u64 *, 0), ARGUMENT(u32 *, 1), ARGUMENT(int, 2), ARGUMENT(int, 3),
                     ARGUMENT(int, 4));
}
ENTRY(keyswitch_digits)

static void call_keyswitch_product(void **arguments) {
    keyswitch_product(ARGUMENT(const uint4 *, 0), ARGUMENT(const uint4 *, 1), ARGUMENT(const u64 *, 2),
                      ARGUMENT(u64 *, 3), ARGUMENT(int, 4), ARGUMENT(int, 5), ARGUMENT(int, 6));
}
ENTRY(keyswitch_product)

static void call_switch_modulus(void **arguments) {
    switch_modulus(ARGUMENT(const u64 *, 0), ARGUMENT(u16 *, 1), ARGUMENT(int, 2));
}
ENTRY(switch_modulus)

static void call_pack(void **arguments) {
    pack(ARGUMENT(const u64 *, 0), ARGUMENT(u64 *, 1), ARGUMENT(int, 2), ARGUMENT(int, 3), ARGUMENT(int, 4));
}
ENTRY(pack)
