"""Names of the topics, without the deployment's prefix; their shape is in `topics.yaml`."""

from typing import Final

from streams.domain.work import WorkClass

EVENTS: Final = "events.v1"
RESULTS: Final = "results.v1"
CIPHERTEXTS: Final = "ciphertexts.v1"
KEYSETS: Final = "keysets.v1"
CONTROL: Final = "control.v1"
DLQ: Final = "dlq.v1"

# `publish` has no topic of its own: the dispatcher writes what it says to the topics above.
WORK: Final[dict[WorkClass, str]] = {
    WorkClass.TFHE: "work.tfhe.v1",
    WorkClass.ZKPROOF: "work.zkproof.v1",
    WorkClass.SNS: "work.sns.v1",
    WorkClass.SENDER: "work.sender.v1",
}
# The consumer group of each class's workers, also without prefix.
GROUPS: Final[dict[WorkClass, str]] = {
    WorkClass.TFHE: "tfhe-worker",
    WorkClass.ZKPROOF: "zkproof-worker",
    WorkClass.SNS: "sns-worker",
    WorkClass.SENDER: "transaction-sender",
}
