"""What a transaction offers, what its replacements offer, and where that ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.errors import IllegalTransition
from streams.domain.transactions import CallState, Signed, call_transition
from streams.services.sender.fees import TIP_WEI, FeePolicy, Fees
from streams.settings import SenderSettings

GWEI = 10**9
POLICY = FeePolicy.of(SenderSettings())


def offering(fees: Fees) -> Signed:
    return Signed(raw=b"", hash=b"", max_fee=fees.max_fee, priority_fee=fees.tip)


@pytest.mark.parametrize("price", [1, GWEI, 50 * GWEI])
def test_a_replacement_offers_an_eighth_more_of_both_and_the_present_price(price: int) -> None:
    first = POLICY.first(10 * GWEI)
    raised = POLICY.raised(offering(first), price)
    assert raised is not None
    assert raised.max_fee * 1000 >= first.max_fee * 1125
    assert raised.tip * 1000 >= first.tip * 1125
    assert raised.max_fee >= POLICY.first(price).max_fee


@given(st.integers(1, 10**15), st.integers(1, 10**15), st.integers(1, 10**12))
def test_whatever_the_price_does_a_replacement_is_one_that_nodes_take_and_within_the_cap(
    price: int, later: int, cap: int
) -> None:
    policy = FeePolicy(cap, 125)
    fees: Fees | None = policy.first(price)
    for _ in range(200):
        assert fees is not None
        assert 0 <= fees.tip <= fees.max_fee <= cap
        raised = policy.raised(offering(fees), later)
        if raised is None:
            assert fees.max_fee * 1125 // 1000 + 1 > cap
            return
        assert raised.max_fee * 10 > fees.max_fee * 11
        assert raised.tip * 10 > fees.tip * 11
        fees = raised
    raise AssertionError("the cap was never reached")


def test_the_first_offer_ends_at_the_cap_too() -> None:
    policy = FeePolicy.of(SenderSettings(fee_cap_gwei=0.5))
    assert policy.first(10 * GWEI) == Fees(GWEI // 2, GWEI // 2)
    assert policy.raised(offering(policy.first(10 * GWEI)), 10 * GWEI) is None


def test_the_settings_say_by_how_much() -> None:
    policy = FeePolicy.of(SenderSettings(fee_raise_percent=100))
    raised = policy.raised(offering(Fees(4 * GWEI, TIP_WEI)), 1)
    assert raised == Fees(8 * GWEI + 1, 2 * TIP_WEI + 1)


AFTER = {
    CallState.CONFIRMED: {CallState.SIGNED, CallState.LOST},  # by a reorganisation
    CallState.REVERTED: set[CallState](),
    CallState.LOST: set[CallState](),
}


@pytest.mark.parametrize("end", AFTER)
def test_a_call_ends_once_but_for_what_a_reorganisation_takes(end: CallState) -> None:
    assert call_transition(CallState.SIGNED, end) is end
    for other in set(CallState) - AFTER[end]:
        with pytest.raises(IllegalTransition):
            call_transition(end, other)
    for other in AFTER[end]:
        assert call_transition(end, other) is other
