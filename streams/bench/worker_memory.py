"""Memory of a process that holds an engine's keys and has used them, as a worker's child does.

It is what the process has resident, with the pages of key files that it maps and shares with others.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from streams.bench.components import OURS, Components
from streams.bench.elsewhere import in_another_process
from streams.bench.report import Figure, most_resident_mib
from streams.domain.operations import FheType
from streams.domain.work import ComputeWork
from streams.fhe import engines
from streams.fhe.component import component_outputs
from streams.fhe.keyset import EngineName, KeyFiles
from streams.fhe.suite import ComputeSuite
from streams.services.tfhe_worker import KIND
from streams.services.worker.service import memory_of, slots_of
from streams.settings import EngineSettings

ALL_KEYS_MIB_MAX: Final = 3_000_000_000 / 2**20  # of `wave`: what computes and what squashes in one process
_MIB: Final = 1 << 20


@dataclass(frozen=True)
class Load:
    """What the process opens and does."""

    engine: EngineName
    files: KeyFiles
    threads: int
    works: Sequence[ComputeWork]  # all at once
    ct64: bytes  # of a Uint64, squashed afterwards


def figures(engine: EngineName, components: Components, threads: int) -> Iterator[Figure]:
    """With the keys that compute, and then with those that squash as well."""
    settings = EngineSettings(name=engine)
    works = [task.work for task in components.operations("Add", slots_of(KIND, settings, threads))]
    ((ct64, _),) = components.numbers(1)
    load = Load(engine, components.files, threads, works, ct64)
    ((computing, squashing),) = in_another_process(peaks_mib, [load])
    bound = memory_of(KIND, settings) / _MIB
    name = f"{engine}: most resident memory"
    yield Figure(name=f"{name}, one key set", value=computing, unit="MiB", at_most=round(bound))
    aim = round(ALL_KEYS_MIB_MAX) if engine == OURS else None
    yield Figure(name=f"{name}, all keys", value=squashing, unit="MiB", at_most=aim)


def peaks_mib(load: Load) -> tuple[float, float]:
    """Most resident memory of this process after computing, and after squashing."""
    compute = engines.open_compute(load.engine, load.files, load.threads)
    with ThreadPoolExecutor(len(load.works)) as threads:
        list(threads.map(partial(_computed, compute), load.works))
    computing = most_resident_mib(os.getpid())
    engines.open_squash(load.engine, load.files, load.threads).squash(load.ct64, FheType.UINT64)
    return computing, most_resident_mib(os.getpid())


def _computed(suite: ComputeSuite, work: ComputeWork) -> int:
    return sum(len(each.ct64) for each in component_outputs(suite, work))
