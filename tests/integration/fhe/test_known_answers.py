"""Byte for byte what the network computes, in one and two threads, in two processes at once."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from streams.fhe import known_answers
from streams.fhe.keyset import KeyFiles

FILE = Path(__file__).parents[2] / "fixtures/tfhe/known_answers.json"

pytestmark = [pytest.mark.fhe, pytest.mark.timeout(1800)]


def report_of(folder: Path, threads: int, bits_max: int) -> list[str]:
    """What a process of its own finds."""
    return known_answers.run(FILE, KeyFiles(folder), threads, bits_max=bits_max).lines()


def test_every_known_answer_is_reproduced(files: KeyFiles) -> None:
    """All of them on two threads; on one those of eight bits, every operation but casts."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        runs = [
            pool.submit(report_of, files.folder, threads, bits_max)
            for threads, bits_max in ((1, 8), (2, 256))
        ]
        one_thread, two_threads = (run.result() for run in runs)
    assert two_threads == ["110/110"]
    assert one_thread == ["66/66"]
