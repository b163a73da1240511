"""What a transaction offers per gas, and what its replacements offer."""

from typing import Final, Self

import msgspec

from streams.domain.transactions import Signed
from streams.settings import SenderSettings

TIP_WEI: Final = 1_000_000_000  # a rollup ignores it, others want to see one
WEI_PER_GWEI: Final = 1_000_000_000
_HEADROOM: Final = 2  # times the present price: the base fee may double before the call is replaced
_PER_MILLE: Final = 1000


class Fees(msgspec.Struct, frozen=True):
    """Highest fee and tip per gas."""

    max_fee: int
    tip: int


class FeePolicy(msgspec.Struct, frozen=True):
    """How fees are raised, and where that ends."""

    cap: int  # wei per gas that no transaction offers more than
    raise_per_mille: int  # of both fees, from version to version: nodes want at least 100

    @classmethod
    def of(cls, settings: SenderSettings) -> Self:
        """As the settings say."""
        return cls(round(settings.fee_cap_gwei * WEI_PER_GWEI), round(settings.fee_raise_percent * 10))

    def first(self, price: int) -> Fees:
        """Of a new transaction when gas costs that much."""
        max_fee = min(_HEADROOM * price + TIP_WEI, self.cap)
        return Fees(max_fee, min(TIP_WEI, max_fee))

    def raised(self, signed: Signed, price: int) -> Fees | None:
        """Of a replacement: so much more that every node takes it; None when the cap is below that."""
        least, least_tip = self._more(signed.max_fee), self._more(signed.priority_fee)
        if least > self.cap:
            return None
        max_fee = max(self.first(price).max_fee, least)
        return Fees(max_fee, min(max(TIP_WEI, least_tip), max_fee))

    def _more(self, fee: int) -> int:
        # rounded up: nodes compare exactly, and 12.5 % of a small fee could otherwise be no raise at all
        return fee * (_PER_MILLE + self.raise_per_mille) // _PER_MILLE + 1
