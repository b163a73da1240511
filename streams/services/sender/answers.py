"""What a node's words mean: nodes number their refusals differently, so the table matches phrases.

The first row whose phrase is in the lower-cased answer counts.
"""

from enum import StrEnum
from typing import Final


class Answer(StrEnum):
    """What became of a broadcast, or what a node says against a call."""

    TAKEN = "taken"  # now, or before
    USED = "used"  # its nonce is mined: the receipts will tell whether by us
    OUTBID = "outbid"  # other bytes wait under its nonce, and these offer too little more
    CHEAP = "cheap"  # below what the next block asks for
    NO_FUNDS = "no funds"
    OTHER_CHAIN = "other chain"  # the settings are wrong
    LATER = "later"  # the node's pool does not take it now
    GAS = "gas"  # the call does not run within a block's gas
    REFUSED = "refused"  # for a reason that is not in the table


# Phrases of several clients. The special stands before the general: "replacement transaction underpriced"
# contains "underpriced".
ANSWERS: Final[tuple[tuple[str, Answer], ...]] = (
    ("already imported", Answer.TAKEN),
    ("already known", Answer.TAKEN),
    ("alreadyknown", Answer.TAKEN),
    ("unknown transaction", Answer.REFUSED),  # of a type that the node does not take
    ("known transaction", Answer.TAKEN),
    ("already exists", Answer.TAKEN),
    ("nonce too low", Answer.USED),
    ("nonce is too low", Answer.USED),
    ("oldnonce", Answer.USED),
    ("replacement transaction underpriced", Answer.OUTBID),
    ("replacement not allowed", Answer.OUTBID),
    ("replacementnotallowed", Answer.OUTBID),
    ("less than block base fee", Answer.CHEAP),
    ("fee cap less than", Answer.CHEAP),
    ("max fee per gas", Answer.CHEAP),
    ("underpriced", Answer.CHEAP),
    ("gas price too low", Answer.CHEAP),
    ("feetoolow", Answer.CHEAP),
    ("insufficient funds", Answer.NO_FUNDS),
    ("insufficientfunds", Answer.NO_FUNDS),
    ("insufficient balance", Answer.NO_FUNDS),
    ("chain id", Answer.OTHER_CHAIN),
    ("chainid", Answer.OTHER_CHAIN),
    ("nonce too high", Answer.LATER),
    ("noncegap", Answer.LATER),
    ("pool is full", Answer.LATER),
    ("pool limit", Answer.LATER),
    ("too many pending", Answer.LATER),
    ("gas required exceeds", Answer.GAS),
    ("exceeds block gas limit", Answer.GAS),
    ("intrinsic gas too", Answer.GAS),
    ("out of gas", Answer.GAS),
)


def answer(text: str) -> Answer:
    """The meaning of a node's refusal."""
    lower = text.lower()
    return next((meaning for phrase, meaning in ANSWERS if phrase in lower), Answer.REFUSED)
