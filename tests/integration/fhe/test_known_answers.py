"""Byte for byte what the network computes, in one and two threads, in two processes at once."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from streams.fhe import known_answers
from streams.fhe.keyset import KeyFiles

FILE = Path(__file__).parents[2] / "fixtures/tfhe/known_answers.json"

pytestmark = [pytest.mark.fhe, pytest.mark.timeout(1800)]


def report_of(folder: Path, threads: int) -> list[str]:
    """What a process of its own finds."""
    return known_answers.run(FILE, KeyFiles(folder), threads).lines()


def test_every_known_answer_is_reproduced(files: KeyFiles) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        runs = [pool.submit(report_of, files.folder, threads) for threads in (1, 2)]
        one_thread, two_threads = (run.result() for run in runs)
    assert one_thread == two_threads == ["110/110"]
