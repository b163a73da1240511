"""Which process dies where: each point once; points of several processes share a round, which takes long."""

from typing import Final

ROUNDS: Final[tuple[dict[str, str], ...]] = (
    {
        "host-listener": "listener.read",
        "gw-listener": "gateway.read",
        "graph": "graph.decided",
        "transaction-sender": "sender.started",
    },
    {
        "host-listener": "listener.between_parts",
        "gw-listener": "gateway.between_parts",
        "graph": "graph.committed",
        "transaction-sender": "sender.decided",
    },
    {
        "host-listener": "listener.produced",
        "gw-listener": "gateway.produced",
        "graph": "dispatcher.claimed",
        "transaction-sender": "sender.committed",
    },
    {
        "host-listener": "listener.acknowledged",
        "gw-listener": "gateway.acknowledged",
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
        "tfhe-worker": "child.answering",
        "sns-worker": "worker.executed",
    },
)


def covered() -> set[str]:
    """Points at which some round kills."""
    return {point for crashes in ROUNDS for point in crashes.values()}
