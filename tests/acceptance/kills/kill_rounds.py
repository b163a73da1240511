"""Which process dies where: each point once; points of several processes share a round, which takes long.

`POINT:2` is the second pass after the first input was verified (`Traffic.play`): tables are full then, other
inputs are under way and transfers follow. As many passes must be sure to come: two blocks of the host chain,
a range of the gateway with a commit, and of batches the last transfer's block, its computation, its squash
and its commit. Several points of one process kill it one after the other.

from typing import Final

ROUNDS: Final[tuple[dict[str, str], ...]] = (
    {
        "host-listener": "listener.read:2",
        "gw-listener": "gateway.read:1",
        "graph": "graph.decided:3",
        "transaction-sender": "sender.started",
    },
    {
        "host-listener": "listener.between_parts",
        "gw-listener": "gateway.between_parts",
        "graph": "graph.committed:3",
        "transaction-sender": "sender.decided",
    },
    {
        "host-listener": "listener.produced:2",
        "gw-listener": "gateway.produced:1",
        "graph": "dispatcher.claimed owner.claimed owner.swept",
        "transaction-sender": "sender.committed",
    },
    {
        "host-listener": "listener.acknowledged:2",
        "gw-listener": "gateway.acknowledged:1",
        "graph": "dispatcher.produced",
        "transaction-sender": "sender.broadcast",
    },
    {
        "host-listener": "keys.downloaded",
        "graph": "dispatcher.reported",
        "sns-worker": "worker.started",
        "transaction-sender": "sender.receipt",
    },
    {
        "host-listener": "keys.announced",
        "tfhe-worker": "worker.started",
        "zkproof-worker": "worker.executed",
        "transaction-sender": "sender.settled",
    },
    {
        "host-listener": "keys.produced",
        "graph": "dispatcher.sealed",
        "zkproof-worker": "worker.started",
        "sns-worker": "child.answering",
        "transaction-sender": "sender.resulted",
    },
    {
        "host-listener": "keys.acknowledged",
        "tfhe-worker": "worker.executed",
        "zkproof-worker": "child.answering",
        "sns-worker": "sns.between_uploads",
    },
    {
        "host-listener": "keys.between_tenants",
        "graph": "dispatcher.settled",
        "tfhe-worker": "child.answering",
        "sns-worker": "worker.executed",
    },
)


# A nonce that is stuck takes a chain that leaves calls out: killed at on the memory twins.
ELSEWHERE: Final = {"sender.replaced", "sender.filled"}


def kills() -> list[tuple[str, str]]:
    """Process and point of each kill of the rounds."""
    return [
        (process, point.partition(":")[0])
        for crashes in ROUNDS
        for process, points in crashes.items()
        for point in points.split()
    ]
