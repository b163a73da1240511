import asyncio

from streams.domain.results import Ciphertext, Computed, Proven, encode_result
from streams.services.worker.parts import RECORD_BYTES_MAX, Outputs, flushed, split


def ciphertexts(count: int, size_bytes: int = 1919) -> list[Ciphertext]:
    return [
        Ciphertext(handle=number.to_bytes(32, "big"), fhe_type=5, ct64=b"\xff" * size_bytes)
        for number in range(count)
    ]


def proven(part: tuple[Ciphertext, ...], handles: tuple[bytes, ...]) -> Proven:
    return Proven(
        item="i" * 32,
        attempt=0,
        worker="w" * 64,
        verified=True,
        key_id=bytes(32),
        handles=handles,
        ciphertexts=part,
    )


def test_the_largest_input_is_cut_into_records_that_fit() -> None:
    given = ciphertexts(255)
    handles = tuple(ciphertext.handle for ciphertext in given)
    parts = list(split(given, len(handles)))
    assert [ciphertext for part in parts for ciphertext in part] == given
    sizes = [len(encode_result(proven(part, handles))) for part in parts]
    assert max(sizes) <= RECORD_BYTES_MAX
    assert len(parts) == 3


def test_nothing_is_one_empty_record_and_a_giant_is_alone() -> None:
    assert list(split([])) == [()]
    giant = ciphertexts(3, size_bytes=RECORD_BYTES_MAX)
    assert [len(part) for part in split(giant)] == [1, 1, 1]


def filled(count: int, *, is_over: bool = True) -> Outputs:
    outputs = Outputs()
    for ciphertext in ciphertexts(count):
        outputs.put_nowait(ciphertext)
    if is_over:
        outputs.put_nowait(None)
    return outputs


async def test_outputs_that_are_there_together_share_a_record() -> None:
    assert [len(group) async for group in flushed(filled(5))] == [5]


async def test_many_outputs_go_in_records_that_fit() -> None:
    groups = [group async for group in flushed(filled(200))]
    assert sum(map(len, groups)) == 200
    for group in groups:
        result = Computed(item="i" * 32, attempt=0, worker="w" * 64, key_id=bytes(32), ciphertexts=group)
        assert len(encode_result(result)) <= RECORD_BYTES_MAX


async def test_an_output_does_not_wait_for_one_that_is_not_there() -> None:
    outputs = filled(1, is_over=False)
    groups = flushed(outputs)
    assert len(await anext(groups)) == 1
    for ciphertext in ciphertexts(2):
        outputs.put_nowait(ciphertext)
    outputs.put_nowait(None)
    assert [len(group) async for group in groups] == [2]


async def test_no_outputs_are_no_records() -> None:
    assert [group async for group in flushed(filled(0))] == []


async def test_the_end_may_come_after_the_last_flush() -> None:
    outputs = filled(1, is_over=False)
    groups = flushed(outputs)
    await anext(groups)
    last = asyncio.ensure_future(anext(groups, None))
    outputs.put_nowait(None)
    assert await last is None
