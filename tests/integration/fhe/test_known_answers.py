"""Byte for byte what the network computes, in one and two threads, in two processes at once."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from streams.domain.operations import OPERATIONS, Kind
from streams.fhe import known_answers
from streams.fhe.keyset import KeyFiles
from streams.fhe.known_answers import KnownAnswers, KnownOperation

FILE = Path(__file__).parents[2] / "fixtures/tfhe/known_answers.json"
# A token's operations on 64 bits and Bool: their carries, comparisons and choices are what the library
# divides among threads, by pairs of blocks.
TOKEN = frozenset(
    [
        "trivial_bool",
        "and_bool",
        "and_bool_scalar",
        "eq_bool",
        "eq_bool_scalar",
        "select_bool",
        "trivial_64",
        "add_64",
        "sub_64",
        "ge_64",
        "eq_64",
        "select_64",
    ]
)

pytestmark = [pytest.mark.fhe, pytest.mark.timeout(1800)]


class Found(NamedTuple):
    """What a process of its own found, and its processor time, with the opening of keys."""

    lines: list[str]
    pid: int
    core_s: float


def report_of(file: Path, folder: Path, threads: int) -> Found:
    begin_s = time.process_time()
    lines = known_answers.run(file, KeyFiles(folder), threads).lines()
    return Found(lines, os.getpid(), time.process_time() - begin_s)


def part_of(known: KnownAnswers) -> tuple[KnownOperation, ...]:
    """The token's operations, and every other one once: on its smallest type, encrypted if it may be."""
    token = {item.op for item in known.operations if item.name in TOKEN}
    others: dict[int, str] = {}
    # the file goes from small types to large ones
    for item in sorted(known.operations, key=lambda item: item.is_scalar):
        if item.op not in token:
            others.setdefault(item.op, item.name)
    kept = TOKEN.union(others.values())
    return tuple(item for item in known.operations if item.name in kept)


def test_the_part_has_the_token_s_operations_and_every_other_one_once(known: KnownAnswers) -> None:
    part = part_of(known)
    assert {item.name for item in part} >= TOKEN
    others = [item for item in part if item.name not in TOKEN]
    computed = {row.code for row in OPERATIONS if row.kind is not Kind.INPUT}
    assert {item.op for item in part} == computed
    assert len({item.op for item in others}) == len(others)
    assert not [item.name for item in others if "_64" in item.name.replace("_to_64", "")]


def test_known_answers_are_reproduced(
    files: KeyFiles, known: KnownAnswers, tmp_path: Path, spent: Callable[[str, float], None]
) -> None:
    """The whole file at two threads; in another process, at the same time, a part at one thread.

    The part has a token's operations on Bool and 64 bits, a squash and the input list, which are 16
    answers, and every other operation once. To compute the rest of the file twice as well would take more
    than three core-minutes of the eight that a run has for really encrypted work (`core_time.py`): the same
    code, over other widths or with a plaintext.
    """
    part = part_of(known)
    file = tmp_path / FILE.name
    file.write_bytes(
        msgspec.json.encode(msgspec.structs.replace(known, operations=part, squash=known.squash[:1]))
    )
    (tmp_path / known_answers.CRS_NAME).symlink_to(FILE.with_name(known_answers.CRS_NAME))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        runs = [
            pool.submit(report_of, file, files.folder, threads) for file, threads in ((file, 1), (FILE, 2))
        ]
        one_thread, two_threads = (run.result() for run in runs)
    count = len(part) + 1 + len(known.input_proof.handles)
    assert (one_thread.lines, two_threads.lines) == ([f"{count}/{count}"], ["110/110"])
    assert one_thread.pid != two_threads.pid
    spent("known answers, one thread", one_thread.core_s)
    spent("known answers, two threads", two_threads.core_s)
