"""What a contract's refusal means for a call that is to be made once."""

from typing import Final

from streams.adapters.ethereum.calls import DONE_BEFORE, NOT_REGISTERED
from streams.adapters.ethereum.errors import ContractReverted
from streams.domain.errors import ConfigurationError, Recoverable

_NOT_REQUESTED: Final = "VerifyProofNotRequested"


class CallRefused(Recoverable):
    """The contract refuses this call as things are now."""


def is_done_before(refusal: ContractReverted) -> bool:
    """Whether our vote is there already; anything else is raised.

    Raises:
        ConfigurationError: our keys are not registered; no call can succeed until that is changed.
        ContractReverted: there is no such request, so there will never be an answer to it.
        CallRefused: it may be taken later.
    """
    if refusal.name in DONE_BEFORE:
        return True
    if refusal.name in NOT_REGISTERED:
        raise ConfigurationError(f"the gateway does not know our keys: {refusal}") from refusal
    if refusal.name == _NOT_REQUESTED:
        raise refusal
    raise CallRefused(str(refusal)) from refusal
