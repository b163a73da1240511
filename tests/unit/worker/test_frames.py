import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.domain.errors import Undecodable
from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork, ProofWork, SquashWork, Step
from streams.fhe.suite import Tally
from streams.services.worker import frames

CIPHERTEXT = Ciphertext(handle=b"h" * 32, fhe_type=5, ct64=bytes(range(256)))
WORKS = (
    ComputeWork(
        item="a",
        tenant="t",
        attempt=0,
        timeout_s=1.5,
        key_id=b"k",
        steps=(Step(operation=0, operands=(b"a", b"b"), is_scalar=False, result=b"c", fhe_type=5),),
        inputs=(CIPHERTEXT,),
        outputs=(b"c",),
    ),
    ProofWork(
        item="p",
        tenant="t",
        attempt=1,
        timeout_s=60,
        key_id=b"k",
        crs_id=b"c",
        zk_proof_id=1,
        chain_id=1,
        acl_address=bytes(20),
        contract_address=bytes(20),
        user_address=bytes(20),
        ciphertext_with_proof=bytes(1 << 20),
    ),
    SquashWork(item="s", tenant="t", attempt=2, timeout_s=60, key_id=b"k", ciphertext=CIPHERTEXT),
)
REQUESTS = (
    *(frames.Batch((frames.Run(number, work),)) for number, work in enumerate(WORKS)),
    frames.Batch(tuple(frames.Run(number, work) for number, work in enumerate(WORKS))),
    frames.Prepare(6, b"k", b"c"),
    frames.OpenKeys(7, b"k", Path("/keys"), at_once=True),
    frames.OpenCrs(8, b"c", Path("/crs"), at_once=False),
)
REPLIES = (
    frames.Ready(),
    frames.Opened(1),
    frames.Counts(1, 2, Tally(3, 4, 5, 6)),
    frames.Begun((2, 3)),
    frames.Output(2, CIPHERTEXT),
    frames.Finished(2),
    frames.Verdict(3, True, (CIPHERTEXT,)),
    frames.Squashing(4, bytes(1 << 20), 11),
    frames.Broken(5, "recoverable", "WorkerCrashed", "out of memory"),
)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


Pair = tuple[socket.socket, socket.socket]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
async def test_a_request_arrives_as_it_was_sent(pair: Pair, request_: frames.Request) -> None:
    left, right = pair
    sending = asyncio.create_task(asyncio.to_thread(left.sendall, frames.frame(request_)))
    assert await asyncio.to_thread(frames.receive_request, right) == request_
    await sending


async def test_replies_arrive_in_their_order() -> None:
    reader = asyncio.StreamReader()
    for reply in REPLIES:
        reader.feed_data(frames.frame(reply))
    reader.feed_eof()
    assert [await frames.read_reply(reader) for _ in REPLIES] == list(REPLIES)
    assert await frames.read_reply(reader) is None


def test_the_end_of_the_parent_is_the_end_of_the_requests(pair: Pair) -> None:
    left, right = pair
    left.sendall(frames.frame(frames.OpenKeys(1, b"k", Path("/keys"), at_once=True))[:-1])
    left.close()
    assert frames.receive_request(right) is None


async def test_a_reply_that_is_cut_is_the_end_of_the_child() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(frames.frame(frames.Output(2, CIPHERTEXT))[:-1])
    reader.feed_eof()
    assert await frames.read_reply(reader) is None


async def test_a_size_is_refused_before_its_bytes_are_read(pair: Pair) -> None:
    head = (frames.FRAME_BYTES_MAX + 1).to_bytes(4, "big")
    reader = asyncio.StreamReader()
    reader.feed_data(head)
    with pytest.raises(Undecodable, match="are allowed"):
        await frames.read_reply(reader)
    left, right = pair
    left.sendall(head)
    with pytest.raises(Undecodable, match="are allowed"):
        frames.receive_request(right)


def test_counts_are_told_apart_from_what_was_told_before() -> None:
    before = frames.Counts(1, 1, Tally(2, 3, 4, 5))
    assert frames.Counts(5, 6, Tally(7, 8, 9, 11)).since(before) == frames.Counts(4, 5, Tally(5, 5, 5, 6))
