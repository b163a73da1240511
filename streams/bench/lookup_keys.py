"""The key set that look-ups are measured on: the one of the known answers, made here where it is missing."""

import time
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from streams.bench.components import CRATE, OURS, Components
from streams.bench.lookups import BATCHES, LENGTHS, OPERATION, compare
from streams.bench.report import Figure, Report
from streams.fhe import engines
from streams.fhe.devices.lookup_table import test_polynomial
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.words import Words
from streams.fhe.formats.ciphertext_list import PackedNumber, read_number, write_number
from streams.fhe.parameters import PINNED
from streams.fhe.tfhe_rs import TfheCompute
from streams.fhe.wave import key_files
from streams.fhe.wave.keys import WaveKeys
from streams.fhe.wave.measure import WrongResult

ATTACH_AIM_S: Final = 0.5  # of files that are there


def measure(repeats: int) -> Report:
    """Figures of both on stored numbers; raises WrongResult when one of them computes something else."""
    components = Components.prepared()
    suite = engines.open_compute(CRATE, components.files)
    assert isinstance(suite, TfheCompute)
    crate = suite.uncompressed()
    # Encrypted once: from the second time on the crate has them decompressed.
    tasks = {length: components.chain(OPERATION, length) for length in LENGTHS}
    for task in tasks.values():
        components.check(task, list(crate.outputs(task.work)))
    folder = key_files.derived(components.files.folder.with_name("keyset"))
    attach_s = min(_attach_s(folder) for _ in range(repeats))
    keys = key_files.opened(folder)
    blocks = _blocks(components, keys)
    batches = {count: _identity(blocks[:count]) for count in BATCHES}
    report = compare(
        lambda length: list(crate.outputs(tasks[length].work)),
        lambda count: keys.device.bootstrap(batches[count]),
        repeats,
    )
    attach = Figure(
        name=f"{OURS}, a key set attached", value=round(attach_s, 3), unit="s", at_most=ATTACH_AIM_S
    )
    return msgspec.structs.replace(report, figures=(*report.figures, attach))


def _attach_s(folder: Path) -> float:
    started = time.perf_counter()
    key_files.opened(folder)
    return time.perf_counter() - started


def _blocks(components: Components, keys: WaveKeys) -> Words:
    """Blocks (32, k N + 1) of a number, after it was seen that the identity keeps them."""
    ((stored, number),) = components.numbers(1)
    blocks = np.concatenate(keys.storage.decompress(read_number(stored).glwes))
    looked_up = np.concatenate(keys.device.bootstrap(_identity(blocks)))
    again = write_number(PackedNumber(False, len(blocks), keys.storage.compress(looked_up)))
    if (found := components.samples.decrypt(again).value) != number:
        raise WrongResult(f"the identity of {number} is {found}")
    return blocks


def _identity(blocks: Words) -> Bootstraps:
    entries = 2 * np.arange(PINNED.space)[np.newaxis]  # in halves of the scale
    return Bootstraps(blocks, test_polynomial(PINNED, entries), [0] * len(blocks), [(0,)] * len(blocks))
