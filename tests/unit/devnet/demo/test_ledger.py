from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.devnet.demo import ledger
from streams.devnet.demo.ledger import Kind, Line, Script

COUNTS = st.integers(min_value=1, max_value=200)


@given(COUNTS)
def test_nothing_is_lost(transfers: int) -> None:
    script = ledger.write(transfers, 3)
    assert sum(script.balances()) == script.supply()


@given(COUNTS)
def test_no_honest_transfer_can_lack_funds_in_any_order(transfers: int) -> None:
    script = ledger.write(transfers, 3)
    minted = ledger.Script(3, script.mints).balances()
    for user in range(3):
        sent = sum(t.amount for t in script.transfers if t.sender == user and t.kind is Kind.HONEST)
        assert sent <= minted[user]


@given(COUNTS)
def test_the_excessive_transfer_exceeds_all_there_is(transfers: int) -> None:
    script = ledger.write(transfers, 3)
    (excessive,) = (t for t in script.transfers if t.kind is Kind.EXCESSIVE)
    assert excessive.amount > script.supply()


@given(COUNTS)
def test_amounts_fit_their_type_and_nobody_pays_himself(transfers: int) -> None:
    for transfer in ledger.write(transfers, 3).transfers:
        assert 0 < transfer.amount <= ledger.UINT64_MAX
        assert transfer.sender != transfer.receiver


def test_a_script_has_one_of_each_special_transfer() -> None:
    kinds = [t.kind for t in ledger.write(5, 3).transfers]
    assert sorted(kinds) == [Kind.EXCESSIVE, Kind.FOREIGN, *[Kind.HONEST] * 5]


def test_the_end_does_not_depend_on_the_order() -> None:
    script = ledger.write(3, 3)
    ends = {Script(3, script.mints, order).balances() for order in permutations(script.transfers)}
    assert len(ends) == 1


@pytest.mark.parametrize(("decrypted", "equal"), [(7, True), (8, False), (None, False)])
def test_a_line_compares(decrypted: int | None, equal: bool) -> None:
    (line,) = ledger.compare(["user 0"], [b"handle"], [7], [decrypted])
    assert line == Line("user 0", b"handle", 7, decrypted)
    assert line.is_equal is equal
