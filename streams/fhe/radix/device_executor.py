"""Runs look-ups on a device: a wire's data is one LWE ciphertext under the big key, shape (k N + 1,)."""

from collections.abc import Sequence

import numpy as np

from streams.fhe.devices.encoding import encode_halves
from streams.fhe.devices.lookup_table import test_polynomial
from streams.fhe.devices.port import Bootstraps, Device
from streams.fhe.devices.seeded import seeded_ciphertexts
from streams.fhe.devices.words import Word, Words
from streams.fhe.noise import norm2_budget
from streams.fhe.radix.block import Block
from streams.fhe.radix.random import seeded
from streams.fhe.radix.steps import LookUp, Outputs, checked
from streams.fhe.radix.table import Table

WRAP = (1 << 64) - 1


class DeviceExecutor:
    """One batch of look-ups becomes one batch of bootstraps; equal tables are sent once."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._budget = norm2_budget(device.parameters)

    def run(self, batch: Sequence[LookUp]) -> list[Outputs]:
        """The results in order; raises NoiseExceeded or PaddingExceeded before anything is computed."""
        # All are checked before any runs: a refused batch has computed nothing, so that the executor may
        # try halves.
        tables = [checked(look_up, self._budget) for look_up in batch]
        results: dict[int, Words] = {}
        # Two calls at most: seeded ciphertexts are under the small key and skip the keyswitch.
        for is_seeded, bootstrap in ((False, self._device.bootstrap), (True, self._device.rotate)):
            places = [i for i, each in enumerate(batch) if _is_seeded(each.block) is is_seeded]
            if places:
                chosen = bootstrap(self._bootstraps([batch[i] for i in places], [tables[i] for i in places]))
                results.update(zip(places, chosen, strict=True))
        # Copies: a row of the batch would keep all of its words for as long as one result lives.
        return [look_up.outputs([row.copy() for row in results[i]]) for i, look_up in enumerate(batch)]

    def seeded(self, seed: bytes, bits: int) -> list[Block]:
        """Blocks of uniform phase for a number of this many bits, the same for the same seed."""
        return [seeded(row) for row in seeded_ciphertexts(self._device.parameters, seed, bits)]

    def _bootstraps(self, batch: Sequence[LookUp], tables: Sequence[Table]) -> Bootstraps:
        # A batch has hundreds of look-ups and a handful of tables; a test polynomial is 16 KB.
        distinct: dict[tuple[int, ...], int] = {}
        which = [distinct.setdefault(table.entries, len(distinct)) for table in tables]
        entries = np.array(list(distinct), dtype=np.int64)
        # (batch, k N + 1), or (batch, n + 1) of seeded blocks
        ciphertexts = self.ciphertexts([look_up.block for look_up in batch])
        polynomials = test_polynomial(self._device.parameters, entries)
        return Bootstraps(ciphertexts, polynomials, which, [table.shifts for table in tables])

    def ciphertext(self, block: Block) -> Words:
        """The LWE ciphertext of a block, shape (k N + 1,), or (n + 1,) of a seeded one."""
        return self.ciphertexts([block])[0]

    def ciphertexts(self, blocks: Sequence[Block]) -> Words:
        """Those of blocks of one kind, shape (blocks, k N + 1), or (blocks, n + 1) of seeded ones."""
        parameters = self._device.parameters
        dimension = parameters.lwe_dimension if _is_seeded(blocks[0]) else parameters.big_dimension
        # A constant block has no terms: it becomes a trivial ciphertext, mask zero.
        rows = np.zeros((len(blocks), dimension + 1), np.uint64)
        for row, block in zip(rows, blocks, strict=True):
            for wire, factor in block.terms:
                _add(row, wire.data, factor)
        rows[:, -1] += encode_halves(parameters, np.array([block.halves for block in blocks], np.int64))
        return rows


def _add(row: Words, words: Words, factor: int) -> None:
    if factor == 1:
        np.add(row, words, row)
    elif factor == -1:
        np.subtract(row, words, row)
    else:
        # modulo 2^64: a negative factor is its two's complement
        np.add(row, words * Word(factor & WRAP), row)


def _is_seeded(block: Block) -> bool:
    # Only ciphertexts that were never encrypted are without noise (`random.seeded`).
    return bool(block.terms) and not any(wire.noise for wire, _ in block.terms)
