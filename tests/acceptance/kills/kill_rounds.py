"""Which process dies where: each point once; points of several processes share a round, which takes long.

`POINT:2` is the second pass after the first input was verified (`Traffic.play`): tables are full then, other
inputs are under way and transfers follow. As many passes must be sure to come: two blocks of the host chain,
a range of the gateway with a commit, and of batches the last transfer's block, its computation, its squash
and its commit. Several points of one process kill it one after the other.
"""

from typing import Final

ROUNDS: Final[tuple[dict[str, str], ...]] = (
    {
        "host-listener": "keys.downloaded listener.read:2",
        "gw-listener": "gateway.read:1",
        "graph": "graph.decided:3",
        "tfhe-worker": "child.answering",
        "transaction-sender": "sender.started",
    },
    {
        "host-listener": "listener.between_parts",
        "gw-listener": "gateway.between_parts",
        "graph": "graph.committed:3",
        "sns-worker": "worker.executed",
        "transaction-sender": "sender.decided",
    },
    {
        "host-listener": "keys.between_tenants listener.produced:2",
        "gw-listener": "gateway.produced:1",
        "graph": "dispatcher.claimed owner.claimed owner.swept",
        "transaction-sender": "sender.committed",
    },
    {
        "host-listener": "listener.acknowledged:2",
        "gw-listener": "gateway.acknowledged:1",
        "graph": "dispatcher.produced",
        "zkproof-worker": "child.answering",
        "sns-worker": "worker.started",
        "transaction-sender": "sender.broadcast",
    },
    {
        "host-listener": "keys.announced",
        "graph": "dispatcher.reported",
        "tfhe-worker": "worker.started",
        "zkproof-worker": "worker.executed",
        "transaction-sender": "sender.receipt",
    },
    {
        "host-listener": "keys.produced",
        "graph": "dispatcher.sealed",
        "zkproof-worker": "worker.started",
        "sns-worker": "child.answering",
        "transaction-sender": "sender.settled",
    },
    {
        "host-listener": "keys.acknowledged",
        "graph": "dispatcher.settled",
        "tfhe-worker": "worker.executed",
        "sns-worker": "sns.between_uploads",
        "transaction-sender": "sender.resulted",
    },
)
# A nonce that is stuck takes a chain that leaves calls out: killed at on the memory twins. What goes out
# before its commit has its inputs stored when its block comes: `tests/integration/graph`.
ELSEWHERE: Final = {"sender.replaced", "sender.filled", "express.produced"}


def kills() -> list[tuple[str, str]]:
    """Process and point of each kill of the rounds."""
    return [
        (process, point.partition(":")[0])
        for crashes in ROUNDS
        for process, points in crashes.items()
        for point in points.split()
    ]
