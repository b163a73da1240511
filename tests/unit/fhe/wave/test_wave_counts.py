"""What components cost through the executor, pinned: it adds no look-up to what the algorithms take."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from streams.domain.work import Step
from streams.fhe.radix.counts import stored
from streams.fhe.radix.executors import CountingExecutor
from streams.fhe.radix.forms import Form
from streams.fhe.wave.component import Component, Value
from streams.fhe.wave.executor import WaveExecutor
from tests.unit.fhe.wave.windows import BOOL, KEY, U64, component, handle, step, values, word

BALANCE, RECEIVER, AMOUNT = (handle(name, U64) for name in ("balance", "receiver", "amount"))
FITS, NOTHING, MOVED = handle("fits", BOOL), handle("nothing", U64), handle("moved", U64)
KEPT, RECEIVED, NEW, OTHER = (handle(name, U64) for name in ("kept", "received", "new", "other"))

TRANSFER = [
    step("Le", AMOUNT, BALANCE, result=FITS),
    step("TrivialEncrypt", word(0), bytes([U64]), result=NOTHING, is_scalar=True),
    step("IfThenElse", FITS, AMOUNT, NOTHING, result=MOVED),
    step("Add", RECEIVER, MOVED, result=RECEIVED),
    step("Sub", BALANCE, MOVED, result=KEPT),
]
WHITEPAPER = [
    step("Ge", BALANCE, AMOUNT, result=FITS),
    step("Add", RECEIVER, AMOUNT, result=RECEIVED),
    step("Sub", BALANCE, AMOUNT, result=KEPT),
    step("IfThenElse", FITS, KEPT, BALANCE, result=NEW),
    step("IfThenElse", FITS, RECEIVED, RECEIVER, result=OTHER),
]


def transfers(steps: Sequence[Step], outputs: Sequence[bytes], count: int) -> list[Component]:
    def inputs() -> dict[bytes, Value]:
        return {each: Value(U64, tuple(stored(64))) for each in (BALANCE, RECEIVER, AMOUNT)}

    return [component(f"c{i}", *steps, inputs=inputs(), outputs=outputs) for i in range(count)]


def counted(given: Sequence[Component], batch_size: int = 1000, form: Form = Form.THROUGHPUT) -> WaveExecutor:
    executor = WaveExecutor(KEY, CountingExecutor(), batch_size, form)
    for each in given:
        executor.submit(each)
    assert len(values(list(executor.drain()))) == sum(len(each.outputs) for each in given)
    return executor


def test_a_transfer_takes_112_look_ups_in_49_batches() -> None:
    found = counted(transfers(TRANSFER, [RECEIVED, KEPT], 1)).utilisation
    assert (found.look_ups, found.batches, found.computed) == (112, 49, 5)


def test_the_whitepapers_transfer_takes_as_many() -> None:
    """What moves is selected once: 144 as it is written, 32 of them for a second selection."""
    found = counted(transfers(WHITEPAPER, [NEW, OTHER], 1)).utilisation
    assert (found.look_ups, found.batches, found.computed) == (112, 49, 5)


def test_where_the_whitepapers_sums_are_wanted_too_it_takes_144() -> None:
    found = counted(transfers(WHITEPAPER, [RECEIVED, KEPT, NEW, OTHER], 1)).utilisation
    assert (found.look_ups, found.batches) == (144, 33)


def test_a_known_amount_costs_a_comparison_and_two_sums() -> None:
    amount = step("TrivialEncrypt", word(501), bytes([U64]), result=AMOUNT, is_scalar=True)
    given = transfers([amount, *WHITEPAPER], [NEW, OTHER], 1)[0]
    inputs = {name: value for name, value in given.inputs.items() if name != AMOUNT}
    found = counted([replace(given, inputs=inputs)]).utilisation
    assert found.look_ups == 16 + 32 + 32


def test_a_condition_that_comes_back_itself_is_made_at_its_own_weight() -> None:
    """A selection multiplies it where noise allows, and looks it up where not."""
    assert counted(transfers(TRANSFER, [RECEIVED, KEPT, FITS], 1)).utilisation.look_ups == 112
    assert counted(transfers(WHITEPAPER, [NEW, OTHER, FITS], 1)).utilisation.look_ups == 112
    chosen = [*WHITEPAPER[:1], step("IfThenElse", FITS, BALANCE, AMOUNT, result=NEW)]
    assert counted(transfers(chosen, [NEW], 1)).utilisation.look_ups == 16 + 32
    assert counted(transfers(chosen, [NEW, FITS], 1)).utilisation.look_ups == 16 + 32 + 1


def test_transfers_share_batches() -> None:
    one = counted(transfers(TRANSFER, [RECEIVED, KEPT], 1), batch_size=64).utilisation
    many = counted(transfers(TRANSFER, [RECEIVED, KEPT], 32), batch_size=64).utilisation
    assert many.look_ups == 32 * one.look_ups
    assert many.batches < 2 * one.batches
    assert many.fill > 16 * one.fill


@pytest.mark.parametrize(("form", "look_ups", "depth"), [(Form.THROUGHPUT, 32, 32), (Form.LATENCY, 85, 5)])
def test_a_fixed_form_is_that_of_all(form: Form, look_ups: int, depth: int) -> None:
    given = transfers([step("Add", BALANCE, AMOUNT, result=NEW)], [NEW], 1)
    found = counted(given, form=form).utilisation
    assert (found.look_ups, found.batches) == (look_ups, depth)


def test_a_crowd_changes_no_form() -> None:
    """What a sum takes is what it takes alone, however many others fill the batches or leave them empty."""
    given = transfers([step("Add", BALANCE, AMOUNT, result=NEW)], [NEW], 100)
    for size in (1, 128, 10_000):
        assert counted(given, size).utilisation.look_ups == 100 * 32
