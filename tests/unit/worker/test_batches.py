"""Which items go to the child together."""

import asyncio

from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork, ProofWork, SquashWork, Step
from streams.services.worker import frames
from streams.services.worker.batches import BYTES_MAX, ITEMS_MAX, Outbox, cut, payload_bytes


def run(number: int, size_bytes: int = 10) -> frames.Run:
    given = Ciphertext(handle=bytes(32), fhe_type=5, ct64=bytes(size_bytes))
    work = SquashWork(item="s", tenant="t", attempt=0, timeout_s=60, key_id=b"k", ciphertext=given)
    return frames.Run(number, work)


def numbers(batch: frames.Batch) -> list[int]:
    return [each.number for each in batch.runs]


def refuse(run: frames.Run, error: Exception) -> None:
    raise AssertionError(f"{run.number} was refused") from error


async def test_of_a_batch_only_what_cannot_be_sent_is_refused() -> None:
    sent: list[list[int]] = []
    refused: list[tuple[int, str]] = []

    def send(batch: frames.Batch) -> None:
        if 1 in numbers(batch):
            raise OverflowError("too large")
        sent.append(numbers(batch))

    outbox = Outbox(send, lambda run, error: refused.append((run.number, str(error))))
    for number in range(3):
        outbox.post(run(number))
    await asyncio.sleep(0)
    assert (sent, refused) == ([[0], [2]], [(1, "too large")])


async def test_what_is_posted_in_one_turn_goes_together() -> None:
    sent: list[list[int]] = []
    outbox = Outbox(lambda batch: sent.append(numbers(batch)), refuse)
    for number in range(3):
        outbox.post(run(number))
    assert sent == []
    await asyncio.sleep(0)
    outbox.post(run(3))
    await asyncio.sleep(0)
    assert sent == [[0, 1, 2], [3]]


def test_a_batch_is_bounded_by_count() -> None:
    batches = list(cut([run(number) for number in range(2 * ITEMS_MAX + 1)]))
    assert [len(batch.runs) for batch in batches] == [ITEMS_MAX, ITEMS_MAX, 1]


def test_a_batch_is_bounded_by_size_and_an_item_above_it_goes_alone() -> None:
    half, large = BYTES_MAX // 2, BYTES_MAX + 1
    runs = [run(0, half), run(1, half), run(2, half), run(3, large), run(4)]
    assert [numbers(batch) for batch in cut(runs)] == [[0, 1], [2], [3], [4]]


def test_nothing_is_no_batch() -> None:
    assert list(cut([])) == []


def test_the_size_is_that_of_what_an_item_carries() -> None:
    given = Ciphertext(handle=bytes(32), fhe_type=5, ct64=bytes(1000))
    step = Step(operation=0, operands=(b"a", b"b"), is_scalar=False, result=b"c", fhe_type=5)
    component = ComputeWork(
        item="a", tenant="t", attempt=0, timeout_s=60, key_id=b"k", steps=(step,), inputs=(given, given),
        outputs=(b"c",),
    )  # fmt: skip
    proof = ProofWork(
        item="p", tenant="t", attempt=0, timeout_s=60, key_id=b"k", crs_id=b"c", zk_proof_id=1, chain_id=1,
        acl_address=bytes(20), contract_address=bytes(20), user_address=bytes(20),
        ciphertext_with_proof=bytes(5000),
    )  # fmt: skip
    assert 2000 < payload_bytes(component) < 3000
    assert payload_bytes(proof) == 5000
    assert payload_bytes(run(0, 77).work) == 77
