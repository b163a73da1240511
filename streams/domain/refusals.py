"""What a contract's refusal of one of our calls means: one table, from which code, tests and docs read.

An error that is not in the table, or that the node did not give, is `LIMITED`.
"""

from enum import StrEnum
from typing import Final

import msgspec

from streams.domain.digest import keccak256

SELECTOR_BYTES: Final = 4


class Reaction(StrEnum):
    """What becomes of a call that was refused."""

    DONE = "done"  # what the call is for is there
    RETRY_UNLIMITED = (
        "retry unlimited"  # it passes by itself or by others' doing: the item's schedule, no end
    )
    RETRY_LIMITED = "retry limited"  # the same schedule; counted, and given up at the limit of its kind
    FATAL = "fatal"  # our keys or their registration: no call can succeed until somebody changes that


class Refusal(msgspec.Struct, frozen=True):
    """A custom error and what follows from it."""

    signature: str
    reaction: Reaction
    why: str

    @property
    def name(self) -> str:
        """Without the types."""
        return self.signature.partition("(")[0]

    @property
    def selector(self) -> bytes:
        """First bytes of the revert data."""
        return keccak256(self.signature.encode())[:SELECTOR_BYTES]


REFUSALS: Final = (
    Refusal("CoprocessorAlreadyVerified(uint256,address,address)", Reaction.DONE, "our vote is there"),
    Refusal("CoprocessorAlreadyRejected(uint256,address,address)", Reaction.DONE, "our vote is there"),
    Refusal("CoprocessorAlreadyAdded(bytes32,address)", Reaction.DONE, "our commit is there"),
    Refusal("CoprocessorAlreadyAllowedAccount(bytes32,address,address)", Reaction.DONE, "the right is there"),
    Refusal("CoprocessorAlreadyAllowedPublicDecrypt(bytes32,address)", Reaction.DONE, "the right is there"),
    # Others delete the answer. We know requests from events only, and an answer whose request a
    # reorganisation took is cancelled by the graph: what is left is a node that is behind.
    Refusal(
        "VerifyProofNotRequested(uint256)", Reaction.RETRY_UNLIMITED, "the node's branch lacks the request"
    ),
    Refusal("EnforcedPause()", Reaction.RETRY_UNLIMITED, "the gateway's owner paused the contract"),
    Refusal("NotCoprocessorTxSender(address)", Reaction.FATAL, "the sender's address is not registered"),
    Refusal("NotCoprocessorSigner(address)", Reaction.FATAL, "the signer's address is not registered"),
    Refusal(
        "CoprocessorSignerDoesNotMatchTxSender(address,address)",
        Reaction.FATAL,
        "signer and sender are registered for different coprocessors",
    ),
    Refusal(
        "HostChainDisabled(uint256)", Reaction.RETRY_LIMITED, "the gateway takes nothing of this chain now"
    ),
    Refusal(
        "HostChainNotRegistered(uint256)", Reaction.RETRY_LIMITED, "the gateway does not know this chain"
    ),
    Refusal(
        "CiphertextMaterialNotFound(bytes32)",
        Reaction.RETRY_LIMITED,
        "a view's error; no call of ours has it",
    ),
)
BY_NAME: Final = {refusal.name: refusal for refusal in REFUSALS}


def reaction(name: str) -> Reaction:
    """What follows from the error of that name."""
    known = BY_NAME.get(name)
    return Reaction.RETRY_LIMITED if known is None else known.reaction
