/* The kernels of a rotation program, called as a driver calls them. */
static void call_blind_rotate(void **arguments) {
    blind_rotate(ARGUMENT(const Complex *, 0), ARGUMENT(const Complex *, 1), ARGUMENT(const u16 *, 2),
                 ARGUMENT(const int *, 3), ARGUMENT(const u32 *, 4), ARGUMENT(const u32 *, 5),
                 ARGUMENT(const u32 *, 6), ARGUMENT(u64 *, 7), ARGUMENT(int, 8), ARGUMENT(int, 9));
}
ENTRY(blind_rotate)
