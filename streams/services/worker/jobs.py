"""What the child of each class of worker does with an item; only the child imports an engine."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

from streams.domain.attestation import Format
from streams.domain.errors import ConfigurationError, InvalidInput, KeyMissing, Undecodable
from streams.domain.handle import blob_hash, input_handle
from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork, ProofWork, SquashWork
from streams.fhe.component import component_outputs
from streams.fhe.device_choice import DeviceName
from streams.fhe.engines import open_compute, open_proof, open_squash
from streams.fhe.keyset import EngineName, KeyFiles
from streams.fhe.suite import ComputeSuite, Expanded, ProofSuite, SquashSuite, Tally, Timed
from streams.fhe.wave.on_device import known_device
from streams.fhe.wave.reserve import Reserve
from streams.services.worker import frames
from streams.services.worker.child import Jobs
from streams.services.worker.proof import VALUES_MAX, auxiliary_data, check_size
from streams.services.worker.shelf import Shelf

_Suite = TypeVar("_Suite", bound=Timed)
_Opens = Callable[[EngineName, KeyFiles, int], _Suite]


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What a child may have open; 0 is no bound."""

    memory_bytes_max: int = 0
    suites_max: int = 0


BOUNDLESS: Final = Room()
# Of a child's memory, the part for the values of what is in flight: half, or what keys leave (a set of `wave`
# with Python and what is kept decompressed takes 0.5 GB, on GPUs CUDA more), but an eighth in any case: with
# less hardly two operations would be in flight.
_VALUES_SHARE: Final = 2
_VALUES_SHARE_LEAST: Final = 8


def _place(places: dict[bytes, Path], identity: bytes) -> Path:
    place = places.get(identity)
    if place is None:
        raise KeyMissing(f"the child does not know {identity.hex()}")
    return place


class _KeyJobs(Generic[_Suite]):
    """Key sets by the opener of a purpose: the newest at once, others when an item asks."""

    def __init__(
        self,
        opener: _Opens[_Suite],
        engine: EngineName,
        threads: int,
        room: Room,
        tally: Callable[[_Suite], Tally] = lambda _: Tally(),
        on_room: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._opener = opener
        self._engine: EngineName = engine
        self._threads = threads
        self._places: dict[bytes, Path] = {}
        self.lookup_s = 0.0
        self._suites = Shelf(
            self._open, room.memory_bytes_max, tally=tally, suites_max=room.suites_max, on_room=on_room
        )

    @property
    def counts(self) -> frames.Counts:
        """Of key sets, and what those that are or were open have counted."""
        return frames.Counts(*self._suites.lookups(), self._suites.tallied())

    def open_keys(self, key_id: bytes, directory: Path, *, at_once: bool) -> None:
        """Remember where it is, and load it if it is the newest."""
        self._places[key_id] = directory
        if at_once:
            self._suites.load(key_id)

    def open_crs(self, crs_id: bytes, file: Path, *, at_once: bool) -> None:
        """Not needed here."""

    def prepare(self, key_id: bytes, crs_id: bytes) -> None:
        """Have the key set open."""
        del crs_id
        self._suites.load(key_id)

    def _open(self, key_id: bytes) -> _Suite:
        suite = self._opener(self._engine, KeyFiles(_place(self._places, key_id)), self._threads)
        # measured after each opening: the parent scales time limits to this machine
        self.lookup_s = suite.lookup_s()
        return suite


class ComputeJobs(_KeyJobs[ComputeSuite]):
    """Executes components."""

    def __init__(
        self,
        engine: EngineName,
        threads: int,
        room: Room = BOUNDLESS,
        device: DeviceName = "cpu",
        known_answer_every: int = 0,
    ) -> None:
        reserve = Reserve(room.memory_bytes_max // _VALUES_SHARE)

        def share(left_bytes: int) -> None:
            most, least = (room.memory_bytes_max // part for part in (_VALUES_SHARE, _VALUES_SHARE_LEAST))
            # Where it is less than what is promised, nothing begins until enough has ended.
            reserve.bytes_max = max(least, min(most, left_bytes))

        opener = partial(open_compute, device=device, known_answer_every=known_answer_every, reserve=reserve)
        super().__init__(opener, engine, threads, room, tally=lambda suite: suite.tally(), on_room=share)

    def run(self, number: int, work: frames.ChildWork) -> Iterator[frames.Reply]:
        """Outputs one by one."""
        if not isinstance(work, ComputeWork):
            raise Undecodable("not a component")
        with self._suites.use(work.key_id) as suite:
            for ciphertext in component_outputs(suite, work):
                yield frames.Output(number, ciphertext)
        yield frames.Finished(number)


class SquashJobs(_KeyJobs[SquashSuite]):
    """Squashes stored ciphertexts."""

    def __init__(
        self,
        engine: EngineName,
        threads: int,
        room: Room = BOUNDLESS,
        device: DeviceName = "cpu",
        *,
        compressed: bool = True,
    ) -> None:
        opener = partial(open_squash, device=device)
        super().__init__(opener, engine, threads, room, tally=lambda suite: suite.tally())
        # On a GPU too: it gives the bytes that the processor gives, or is out of service.
        self._format = Format.COMPRESSED_ON_CPU if compressed else Format.UNCOMPRESSED_ON_CPU

    def run(self, number: int, work: frames.ChildWork) -> Iterator[frames.Reply]:
        """The squashed object's bytes."""
        if not isinstance(work, SquashWork):
            raise Undecodable("not a ciphertext to squash")
        given = work.ciphertext
        with self._suites.use(work.key_id) as suite:
            ct128 = suite.squash(given.ct64, given.fhe_type, compressed=self._format.is_compressed)
        yield frames.Squashing(number, ct128, self._format)


class ProofJobs:
    """Judges encrypted inputs; a suite needs key set and reference string, so each pair is one."""

    def __init__(self, engine: EngineName, threads: int, room: Room = BOUNDLESS) -> None:
        self._engine: EngineName = engine
        self._threads = threads
        self._keys: dict[bytes, Path] = {}
        self._crs: dict[bytes, Path] = {}
        self._newest_key = b""
        self._newest_crs = b""
        self.lookup_s = 0.0
        self._suites: Shelf[tuple[bytes, bytes], ProofSuite] = Shelf(
            self._open, room.memory_bytes_max, suites_max=room.suites_max
        )

    @property
    def counts(self) -> frames.Counts:
        """Of pairs."""
        return frames.Counts(*self._suites.lookups())

    def open_keys(self, key_id: bytes, directory: Path, *, at_once: bool) -> None:
        """Remember where it is, and load the newest when it has a reference string to go with."""
        self._keys[key_id] = directory
        if at_once:
            self._newest_key = key_id
            self._open_newest()

    def open_crs(self, crs_id: bytes, file: Path, *, at_once: bool) -> None:
        """Remember where it is, and load the newest when it has a key set to go with."""
        self._crs[crs_id] = file
        if at_once:
            self._newest_crs = crs_id
            self._open_newest()

    def prepare(self, key_id: bytes, crs_id: bytes) -> None:
        """Have that pair open."""
        self._suites.load((key_id, crs_id))

    def run(self, number: int, work: frames.ChildWork) -> Iterator[frames.Reply]:
        """The verdict; a rejection is raised as InvalidInput."""
        if not isinstance(work, ProofWork):
            raise Undecodable("not an encrypted input")
        raw = work.ciphertext_with_proof
        # here too: what users send is checked where it is opened
        check_size(raw)
        blob = blob_hash(raw)
        with self._suites.use((work.key_id, work.crs_id)) as suite:
            values = suite.verify(raw, auxiliary_data(work), blob)
        if len(values) > VALUES_MAX:
            raise InvalidInput(f"{len(values)} values, {VALUES_MAX} are allowed")
        yield frames.Verdict(number, True, _named(work, blob, values))

    def _open_newest(self) -> None:
        if self._newest_key and self._newest_crs:
            self._suites.load((self._newest_key, self._newest_crs))

    def _open(self, pair: tuple[bytes, bytes]) -> ProofSuite:
        key_id, crs_id = pair
        files, crs = KeyFiles(_place(self._keys, key_id)), _place(self._crs, crs_id)
        suite = open_proof(self._engine, files, crs, self._threads)
        self.lookup_s = suite.lookup_s()
        return suite


def _named(work: ProofWork, blob: bytes, values: tuple[Expanded, ...]) -> tuple[Ciphertext, ...]:
    return tuple(
        Ciphertext(
            handle=input_handle(blob, index, work.acl_address, work.chain_id, value.fhe_type),
            fhe_type=value.fhe_type,
            ct64=value.ct64,
        )
        for index, value in enumerate(values)
    )


def jobs_of(
    kind: str,
    engine: str,
    threads: int,
    room: Room = BOUNDLESS,
    *,
    compressed: bool = True,
    device: str = "cpu",
    known_answer_every: int = 0,
) -> Jobs:
    """The jobs of a class of worker on an engine; raises ConfigurationError."""
    name = known_engine(engine)
    match kind:
        case "tfhe":
            return ComputeJobs(name, threads, room, known_device(device), known_answer_every)
        case "zkproof":
            return ProofJobs(name, threads, room)
        case "sns":
            return SquashJobs(name, threads, room, known_device(device), compressed=compressed)
        case _:
            raise ConfigurationError(f"there is no worker of the class {kind}")


def known_engine(name: str) -> EngineName:
    """The engine of that name; raises ConfigurationError when workers do not have it."""
    match name:
        case "tfhe-rs" | "wave" | "clear":
            return name
        case _:
            raise ConfigurationError(f"workers have the engines tfhe-rs, wave and clear, not {name}")
