"""Places where a test may kill a service: `crashpoint("listener.produced")` ends its process with SIGKILL.

It does so once, if `CIPHERSTREAM_CRASH_AT` names the point and the file that `CIPHERSTREAM_CRASH_MARKER`
names does not exist yet; the file is created first, so that the restarted process lives. `point:5` is the
fifth time that the process comes there, `point` the first. Without the variable a point does nothing.
Times count while the file does not exist: who makes it beforehand removes it when there is work around the
point. `CIPHERSTREAM_CRASH_SIGNAL` names another signal: after SIGSTOP the process goes on from there when it
is woken, which is how a machine that was away comes back.
"""

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

POINT_VARIABLE: Final = "CIPHERSTREAM_CRASH_AT"
MARKER_VARIABLE: Final = "CIPHERSTREAM_CRASH_MARKER"
SIGNAL_VARIABLE: Final = "CIPHERSTREAM_CRASH_SIGNAL"

# What is there after a crash at the point, and how it goes on.
POINTS: Final[dict[str, str]] = {
    "listener.read": "nothing of the block is in the log: it is read again",
    "listener.between_parts": "the log has a cut sequence of parts: the block is published again whole",
    "listener.produced": "the broker has the record, its producer was not told: the log is read",
    "listener.acknowledged": "the log has the block, memory does not: the log is read, the next one follows",
    "keys.downloaded": "the material is stored by digest, nobody was told: it is found and announced",
    "keys.announced": "keysets.v1 has the announcement, no tenant the fact: each tenant's log is compared",
    "keys.produced": "the broker has the fact, its producer was not told: the tenant's log is compared",
    "keys.acknowledged": "the tenant has the fact: it is found in its log",
    "keys.between_tenants": "some tenants have the fact: the others get it",
    "gateway.read": "nothing of the range is in the log: it is read again",
    "gateway.between_parts": "the log has a cut sequence of parts: the range is published again whole",
    "gateway.produced": "the broker has the record, its producer was not told: the log is read",
    "gateway.acknowledged": "the log has the range, memory does not: the log is read, the next one follows",
    "sender.started": "the worker said that it has the item, nothing is decided: decided again",
    "sender.decided": "a call was found due, no nonce is taken: decided again",
    "sender.committed": "the signed bytes are stored, nobody has them: the same bytes are broadcast",
    "sender.broadcast": "the node has the bytes: the same bytes are broadcast again and known already",
    "sender.replaced": "bytes with higher fees or more gas are stored, nobody has them: they are broadcast",
    "sender.filled": "what fills a nonce is stored, nobody has it: it is broadcast",
    "sender.receipt": "the call is mined, the table does not say so: its receipt is read again",
    "sender.settled": "the table says that it is final, results.v1 does not: the result is given again",
    "sender.resulted": "the log has the result, the offset is not gone: the item is answered again",
    "dispatcher.claimed": "an item is claimed, its message is not sent: the next owner sends it",
    "dispatcher.sealed": "a large body is in the object store, its message is not sent: both again",
    "dispatcher.produced": "the broker has one message or more, their producer was not told: sent again",
    "dispatcher.reported": "the broker has the message, its row is claimed: it is sent again, done once",
    "dispatcher.settled": "rows are dispatched, and more were claimed with that: the next owner sends those",
    "owner.claimed": "the shard is claimed, what was claimed in it is not sent: the next owner sends it",
    "owner.swept": "a sweep is committed, nothing that it claimed is sent: the next owner sends it",
    "graph.decided": "a batch is decided and not committed: it is applied again",
    "express.produced": "the broker has messages of a batch that is not committed: decided and sent again",
    "graph.committed": "the tables have the batch, Kafka's offset does not: it comes again and is known",
    "worker.started": "results.v1 says that a worker has the item, nothing is done: it is done again",
    "worker.executed": "the results are in the log, the offset is not gone: all of it is done again",
    "child.answering": "the child has computed and told nobody: its parent starts another and asks again",
    "sns.between_uploads": "one of two objects is in the store, nobody was told: the other follows",
}


_passes: Final[dict[str, Iterator[int]]] = {}  # by marker; a counter, because points lie in threads too


def crashpoint(name: str) -> None:
    """Kill this process here, once, when the environment asks for it."""
    point, _, time = os.environ.get(POINT_VARIABLE, "").partition(":")
    if point != name:
        return
    marker = os.environ.get(MARKER_VARIABLE, "")
    if marker and not Path(marker).exists() and _is_due(marker, int(time or 1)) and _is_first(marker):
        os.kill(os.getpid(), signal.Signals[os.environ.get(SIGNAL_VARIABLE, signal.SIGKILL.name)])


def _is_due(marker: str, time: int) -> bool:
    return next(_passes.setdefault(marker, itertools.count(1))) >= time


def _is_first(marker: str) -> bool:
    try:
        # One system call: of two processes of a service at the same point, one dies.
        Path(marker).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
