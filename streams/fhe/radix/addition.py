"""Addition, subtraction, negation: resolving the carries of block sums."""

from collections.abc import Sequence

from streams.fhe.radix.block import BASE, DIGIT_MAX, Block, constants, total
from streams.fhe.radix.forms import Form
from streams.fhe.radix.functions import carry, message, power_sign, resolved, state, step
from streams.fhe.radix.steps import LOADED, QUIET, LookUp, Steps, batch, firsts, look_up, refreshed

# Noise is in units of a bootstrap's result; the budget is 39 (`noise`). Constants that end in NOISE_MAX
# say from which noise on an operand is bootstrapped before it is used.
RIPPLE_NOISE_MAX = 18  # two such operands and a carry stay below 39
LOOK_AHEAD_NOISE_MAX = LOADED  # a pair is 4 s1 + s0: 17 * 2.234 = 37.98
PASS_NOISE_MAX = QUIET  # a digit that no carry reaches is handed on unless it is noisier
TWO_TABLES = 8  # values on which one bootstrap can compute two functions


def add(left: Sequence[Block], right: Sequence[Block], form: Form = Form.THROUGHPUT) -> Steps[list[Block]]:
    """left + right modulo 4^blocks."""
    cap = RIPPLE_NOISE_MAX if form is Form.THROUGHPUT else LOOK_AHEAD_NOISE_MAX
    operands = yield from refreshed([*left, *right], cap)
    # Digits of two operands, side by side: each sum is at most 6.
    sums = [x + y for x, y in zip(operands[: len(left)], operands[len(left) :], strict=True)]
    # One look-up per block, 32 after one another; or 85 in five batches (64 bits, `bench counts`).
    if form is Form.THROUGHPUT:
        return (yield from ripple(sums))
    return (yield from look_ahead(sums))


def subtract(
    left: Sequence[Block], right: Sequence[Block], form: Form = Form.THROUGHPUT
) -> Steps[list[Block]]:
    """left - right modulo 4^blocks."""
    if form is Form.LATENCY:
        # x - y = x + (4^n - 1 - y) + 1: the complement of a digit is free, the one goes to the lowest block.
        operands = yield from refreshed([*left, *right], LOOK_AHEAD_NOISE_MAX)
        pairs = zip(operands[: len(left)], operands[len(left) :], strict=True)
        sums = [x + DIGIT_MAX - y for x, y in pairs]
        return (yield from look_ahead([sums[0] + 1, *sums[1:]]))
    operands = yield from refreshed([*left, *right], RIPPLE_NOISE_MAX)
    return (
        yield from ripple([x - y for x, y in zip(operands[: len(left)], operands[len(left) :], strict=True)])
    )


def negate(value: Sequence[Block], form: Form = Form.THROUGHPUT) -> Steps[list[Block]]:
    """-value modulo 4^blocks."""
    return subtract(constants(0, len(value)), value, form)


def ripple(sums: Sequence[Block]) -> Steps[list[Block]]:
    """Clean digits of block sums, modulo 4^blocks: one look-up per block, one after another.

    A sum of two digits and a carry has eight values: message and carry come from one bootstrap with two
    tables. Sums may be negative, then so is the carry.
    """
    # The highest block's carry would leave the number: only its message is looked up.
    clean, moving = yield from _carried(sums[:-1])
    top, _ = yield from split(sums[-1] + moving, with_carry=False)
    return [*clean, top]


def _carried(sums: Sequence[Block]) -> Steps[tuple[list[Block], Block]]:
    clean: list[Block] = []
    moving = Block.constant(0)
    for block in sums:
        digit, moving = yield from split(block + moving, with_carry=True)
        clean.append(digit)
    return clean, moving


def split(block: Block, *, with_carry: bool) -> Steps[tuple[Block, Block]]:
    """Message and carry of a block of at most sixteen values: v = message + 4 carry."""
    nothing = Block.constant(0)
    # A known zero from a cast or a clean digit beside no carry: nothing to look up, and what follows gets
    # shorter.
    if block.low >= 0 and block.high <= DIGIT_MAX and block.noise <= PASS_NOISE_MAX:
        return block, nothing
    if not with_carry:
        return (yield from firsts([look_up(block, message)]))[0], nothing
    # Two tables of eight entries share a test polynomial (`radix/table`); sixteen values take both halves
    # of it.
    if block.high - block.low < TWO_TABLES:
        both = (yield from batch([look_up(block, message, carry)]))[0]
        return both[0], both[1]
    parts = yield from firsts([look_up(block, message), look_up(block, carry)])
    return parts[0], parts[1]


def look_ahead(sums: Sequence[Block]) -> Steps[list[Block]]:
    """Clean digits of sums in [0, 6] (the lowest in [0, 7]), modulo 4^blocks, in logarithmic depth.

    Carry look-ahead on pairs of blocks: a pair generates (+1), propagates (0) or kills (-1) the carry from
    below; with 4 s1 + s0 in [0, 30] that is the sign of 4 s1 + s0 - 15. Powers of two are put into the
    tables: the sign of a plain sum of four states is then the state of the highest that does not propagate.
    """
    # j counts pairs, i blocks; carries[j] is what enters pair j, so the carry out of the last pair is never
    # needed.
    blocks, pairs = len(sums), (len(sums) + 1) // 2
    # s - 3: negative kills, 0 propagates, positive generates the carry into the odd block of the same pair.
    low = [look_up(sums[2 * j] - DIGIT_MAX, _low_state(j)) for j in range(pairs) if 2 * j + 1 < blocks]
    states = [look_up(_pair(sums, j), _pair_state(j)) for j in range(pairs - 1)]
    results = yield from firsts([*low, *states])
    # both kinds in one batch: they depend on the sums only
    lows, generated = results[: len(low)], results[len(low) :]
    carries = [Block.constant(0), *(yield from _prefix(generated))]
    return (yield from firsts([_final(sums, lows, carries, i) for i in range(blocks)]))


def _pair(sums: Sequence[Block], j: int) -> Block:
    # 4 s1 + s0 > 15 exactly if a carry leaves the pair with none entering, = 15 if it leaves with one only
    return sums[2 * j + 1] * BASE + sums[2 * j] - (BASE * BASE - 1)


def _low_state(j: int):
    # Nothing comes into the lowest block: it has a carry (2) or none (0).
    return step(2) if j == 0 else state


def _pair_state(j: int):
    # Nothing enters pair 0, so its state is already the carry. The weight 2^(j mod 4) in the table keeps
    # four summed states at noise 4; multiplied afterwards it would be 1 + 4 + 16 + 64.
    return step(1) if j == 0 else power_sign(j % 4)


def _final(sums: Sequence[Block], lows: Sequence[Block], carries: Sequence[Block], i: int) -> LookUp:
    # low state L of 0, 1, 2 (kills, propagates, generates) and carry C: the odd block gets [L + C >= 2], and
    # (2 s + L + C) >> 1 is s plus that; the even block gets C itself: (2 s + C + 1) >> 1.
    j, is_odd = divmod(i, 2)
    known = lows[j] if is_odd else Block.constant(1)
    return look_up(sums[i] * 2 + known + carries[j], resolved)


def _prefix(states: Sequence[Block]) -> Steps[list[Block]]:
    """Carries out of every pair; states[j] is 2^(j mod 4) times -1, 0 or 1, and the lowest is 0 or 1."""
    if not states:
        return []
    groups = [states[i : i + 4] for i in range(0, len(states), 4)]  # weights 1, 2, 4, 8: sums up to 15
    # sign(s0 + 2 s1 + 4 s2 + 8 s3) is the highest state that is not 0, or 0: exactly what a carry through
    # all sees
    inner = yield from _within_groups(groups)
    carries = [groups[0][0], *inner[0]]  # nothing comes into the first group: its totals are carries
    into = carries[3:4]  # carry into each later group
    while len(into) < len(groups) - 1:
        # three further groups per batch: states of weights 2, 4, 8 and the carry of weight 1 sum to at most
        # 15
        into.extend((yield from _between_groups(inner, into)))
    finals: list[LookUp] = []
    for b, group in enumerate(groups[1:], start=1):
        # State times 2 plus carry in {0, 1}: positive exactly if a carry leaves.
        parts = [group[0] * 2, *inner[b]]
        # The carry out of a whole group is the carry into the next, which is known already; only the last
        # group's has to be resolved here.
        parts = parts[:3] if b < len(groups) - 1 else parts
        finals += [look_up(part + into[b - 1], step(1)) for part in parts]
    resolved_later = iter((yield from firsts(finals)))
    for b in range(1, len(groups)):
        last = b == len(groups) - 1
        carries += [next(resolved_later) for _ in range(len(groups[b]) if last else 3)]
        carries += [] if last else [into[b]]
    return carries


def _within_groups(groups: Sequence[Sequence[Block]]) -> Steps[list[list[Block]]]:
    """For each group the totals of its first two, three, four states."""
    wanted: list[LookUp] = []
    for b, group in enumerate(groups):
        for i in range(1, len(group)):
            # The total of a whole group carries the weight that the sum over groups needs.
            # In group 0 nothing enters, a total there is a carry of 0 or 1.
            weight = power_sign((b - 1) % 3 + 1 if i == 3 else 1)
            wanted.append(look_up(total(group[: i + 1]), step(1) if b == 0 else weight))
    results = iter((yield from firsts(wanted)))
    return [[next(results) for _ in group[1:]] for group in groups]


def _between_groups(inner: Sequence[Sequence[Block]], into: Sequence[Block]) -> Steps[list[Block]]:
    """The next up to three carries between groups, on top of the last one known."""
    # into[k] is the carry into group k + 1; each result below reaches one group further, on the same base.
    first = len(into)
    last = min(first + 3, len(inner) - 1)
    sums = [
        total([into[-1], *(inner[b][2] for b in range(first, end))]) for end in range(first + 1, last + 1)
    ]
    return (yield from firsts([look_up(each, step(1)) for each in sums]))
