"""A contract's refusal of a call, as the error that decides what becomes of its item."""

from typing import Final, NoReturn

import structlog

from streams.adapters.ethereum.errors import ContractReverted, RpcRefused
from streams.domain.errors import ConfigurationError, Irrecoverable, Recoverable
from streams.domain.refusals import Reaction, reaction
from streams.domain.transactions import RefusedCall, StoredCall
from streams.domain.work import Call, RejectResponse, SendWork, VerifyResponse
from streams.services.sender.encode import ADD_MATERIAL, ALLOW_HANDLE, VERIFY_PROOF, Target
from streams.services.sender.store import SenderStore
from streams.settings import SenderSettings

_log = structlog.get_logger(__name__)

_OPPOSITE: Final[dict[type[Call], str]] = {
    RejectResponse: "CoprocessorAlreadyVerified",
    VerifyResponse: "CoprocessorAlreadyRejected",
}


Asked = SendWork | StoredCall  # what asks for a call: an item, or the row of one that is not in hand


class CallRefused(Recoverable):
    """The contract refuses this call as things are now."""


class CallGivenUp(Irrecoverable):
    """The contract refused this call as often as the settings allow."""


class Refusals:
    """Reacts to refusals; counts those that are not repeated for ever."""

    def __init__(self, store: SenderStore, address: bytes, settings: SenderSettings) -> None:
        self._store = store
        self._address = address
        self._limits = {
            ADD_MATERIAL: settings.add_material_retries_max,
            VERIFY_PROOF: settings.verify_proof_retries_max,
            ALLOW_HANDLE: settings.add_material_retries_max,  # nobody can do without a right either
        }

    async def take(self, work: Asked, target: Target, refusal: ContractReverted | RpcRefused) -> None:
        """Return when what the call is for is there.

        Raises:
            ConfigurationError: our keys are not registered; no call can succeed until that is changed.
            CallRefused: it may be taken later.
            CallGivenUp: it was refused too often.
            StoreError: it could not be counted.
        """
        name = refusal.name if isinstance(refusal, ContractReverted) else type(refusal).__name__
        match reaction(name):
            case Reaction.DONE:
                _tell_opposite(work, name)
            case Reaction.FATAL:
                raise ConfigurationError(
                    f"the gateway does not know our keys: {refusal}; have them registered, "
                    "or set private_key_file of [sender] and [signer]"
                ) from refusal
            case Reaction.RETRY_UNLIMITED:
                raise CallRefused(str(refusal)) from refusal
            case Reaction.RETRY_LIMITED:
                await self.count(work, target, str(refusal))

    async def count(self, work: Asked, target: Target, reason: str) -> NoReturn:
        """Count a failure against the limit of its kind; raises CallRefused, CallGivenUp, StoreError."""
        refused = RefusedCall(
            address=self._address,
            call_hash=target.call_hash,
            item=work.item,
            tenant=work.tenant,
            error=reason,
        )
        count = await self._store.refused(refused)
        if count >= self._limits[target.kind]:
            raise CallGivenUp(f"refused {count} times, at last: {reason}")
        raise CallRefused(reason)


def _tell_opposite(work: Asked, name: str) -> None:
    """Our address has voted, but not as we would now."""
    if isinstance(work, SendWork) and _OPPOSITE.get(type(work.call)) == name:
        _log.error("the gateway has the opposite vote of ours", action="opposite_vote", error=name)
