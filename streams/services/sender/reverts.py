"""What a contract's refusal means for a call that is to be made once."""

from streams.adapters.ethereum.calls import DONE_BEFORE, NOT_REGISTERED
from streams.adapters.ethereum.errors import ContractReverted
from streams.domain.errors import ConfigurationError, Recoverable


class CallRefused(Recoverable):
    """The contract refuses this call as things are now."""


def is_done_before(refusal: ContractReverted) -> bool:
    """Whether our vote is there already; anything else is raised.

    Raises:
        ConfigurationError: our keys are not registered; no call can succeed until that is changed.
        CallRefused: it may be taken later; also an answer to no request, whose block may be on a branch that
            this node has left, or not reached yet.
    """
    if refusal.name in DONE_BEFORE:
        return True
    if refusal.name in NOT_REGISTERED:
        raise ConfigurationError(f"the gateway does not know our keys: {refusal}") from refusal
    raise CallRefused(str(refusal)) from refusal
