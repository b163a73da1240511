"""What the child of each class of worker does with an item; only the child imports an engine."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from streams.domain.attestation import Format
from streams.domain.errors import ConfigurationError, InvalidInput, KeyMissing, Undecodable
from streams.domain.handle import blob_hash, input_handle
from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork, ProofWork, SquashWork
from streams.fhe.component import component_outputs
from streams.fhe.engines import open_compute, open_proof, open_squash
from streams.fhe.keyset import Engine, KeyFiles
from streams.fhe.suite import ComputeSuite, Expanded, ProofSuite, SquashSuite
from streams.services.worker import frames
from streams.services.worker.child import Jobs
from streams.services.worker.proof import VALUES_MAX, auxiliary_data, check_size

_Suite = TypeVar("_Suite")


def _opened(suites: dict[bytes, _Suite], key_id: bytes) -> _Suite:
    suite = suites.get(key_id)
    if suite is None:
        raise KeyMissing(f"the child has not opened {key_id.hex()}")
    return suite


class ComputeJobs:
    """Executes components."""

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine: Engine = engine
        self._threads = threads
        self._suites: dict[bytes, ComputeSuite] = {}

    def open_keys(self, key_id: bytes, directory: Path) -> None:
        """Load the compute key."""
        self._suites[key_id] = open_compute(self._engine, KeyFiles(directory), self._threads)

    def open_crs(self, crs_id: bytes, file: Path) -> None:
        """Not needed here."""

    def run(self, number: int, work: frames.ChildWork) -> Iterator[frames.Reply]:
        """Outputs one by one."""
        if not isinstance(work, ComputeWork):
            raise Undecodable("not a component")
        for ciphertext in component_outputs(_opened(self._suites, work.key_id), work):
            yield frames.Output(number, ciphertext)
        yield frames.Finished(number)


class ProofJobs:
    """Judges encrypted inputs; a suite needs key set and reference string, so each pair is one."""

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine: Engine = engine
        self._threads = threads
        self._keys: dict[bytes, Path] = {}
        self._crs: dict[bytes, Path] = {}
        self._suites: dict[tuple[bytes, bytes], ProofSuite] = {}
        self._opening = threading.Lock()

    def open_keys(self, key_id: bytes, directory: Path) -> None:
        """Remember where it is, and load it when it has a reference string to go with."""
        self._keys[key_id] = directory
        self._open_pairs()

    def open_crs(self, crs_id: bytes, file: Path) -> None:
        """Remember where it is, and load it when it has a key set to go with."""
        self._crs[crs_id] = file
        self._open_pairs()

    def run(self, number: int, work: frames.ChildWork) -> Iterator[frames.Reply]:
        """The verdict; a rejection is raised as InvalidInput."""
        if not isinstance(work, ProofWork):
            raise Undecodable("not an encrypted input")
        raw = work.ciphertext_with_proof
        check_size(raw)
        suite = self._suite(work.key_id, work.crs_id)
        blob = blob_hash(raw)
        values = suite.verify(raw, auxiliary_data(work), blob)
        if len(values) > VALUES_MAX:
            raise InvalidInput(f"{len(values)} values, {VALUES_MAX} are allowed")
        yield frames.Verdict(number, True, _named(work, blob, values))

    def _open_pairs(self) -> None:
        # The newest key set with the newest reference string; older pairs are loaded when an item asks.
        if self._keys and self._crs:
            self._suite(next(reversed(self._keys)), next(reversed(self._crs)))

    def _suite(self, key_id: bytes, crs_id: bytes) -> ProofSuite:
        with self._opening:
            if (key_id, crs_id) not in self._suites:
                keys, crs = _opened(self._keys, key_id), _opened(self._crs, crs_id)
                self._suites[key_id, crs_id] = open_proof(self._engine, KeyFiles(keys), crs, self._threads)
            return self._suites[key_id, crs_id]


class SquashJobs:
    """Squashes stored ciphertexts."""

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine: Engine = engine
        self._threads = threads
        self._suites: dict[bytes, SquashSuite] = {}

    def open_keys(self, key_id: bytes, directory: Path) -> None:
        """Load the full key."""
        self._suites[key_id] = open_squash(self._engine, KeyFiles(directory), self._threads)

    def open_crs(self, crs_id: bytes, file: Path) -> None:
        """Not needed here."""

    def run(self, number: int, work: frames.ChildWork) -> Iterator[frames.Reply]:
        """The squashed object's bytes."""
        if not isinstance(work, SquashWork):
            raise Undecodable("not a ciphertext to squash")
        suite = _opened(self._suites, work.key_id)
        ct128 = suite.squash(work.ciphertext.ct64, work.ciphertext.fhe_type)
        yield frames.Squashing(number, ct128, Format.COMPRESSED_ON_CPU)


def _named(work: ProofWork, blob: bytes, values: tuple[Expanded, ...]) -> tuple[Ciphertext, ...]:
    return tuple(
        Ciphertext(
            handle=input_handle(blob, index, work.acl_address, work.chain_id, value.fhe_type),
            fhe_type=value.fhe_type,
            ct64=value.ct64,
        )
        for index, value in enumerate(values)
    )


_KINDS: Final[dict[str, Callable[[Engine, int], Jobs]]] = {
    "tfhe": ComputeJobs,
    "zkproof": ProofJobs,
    "sns": SquashJobs,
}


def jobs_of(kind: str, engine: str, threads: int) -> Jobs:
    """The jobs of a class of worker on an engine; raises ConfigurationError."""
    if kind not in _KINDS:
        raise ConfigurationError(f"there is no worker of the class {kind}")
    return _KINDS[kind](known_engine(engine), threads)


def known_engine(name: str) -> Engine:
    """The engine of that name; raises ConfigurationError when workers do not have it."""
    match name:
        case "tfhe-rs" | "clear":
            return name
        case _:
            raise ConfigurationError(f"workers have the engines tfhe-rs and clear, not {name}")
