"""Digests of what the engine `wave` derives and stores for the key set of the known answers.

`tests/fixtures/wave/golden.json` holds them by release. Where bits change on purpose, raise the release that
names them (`wave/key_files`, `wave/squash_files`, `wave/suite`) and record: `python -m
tests.integration.fhe.golden`. A release that was recorded is never recorded again.
"""

import hashlib
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from streams.devnet import client
from streams.domain.handle import COMPUTED_INDEX, stamp
from streams.domain.operations import BY_NAME, FheType
from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork, Step
from streams.fhe import engines
from streams.fhe.keyset import KeyFiles, KeyStore
from streams.fhe.known_answers import SEED, KnownAnswers, load, operand
from streams.fhe.wave import key_files, squash_files, suite
from streams.fhe.wave.suite import WaveCompute

FIXTURES: Final = Path(__file__).parents[2] / "fixtures"
FILE: Final = FIXTURES / "wave/golden.json"
THREADS: Final = 16  # that wait for their operation: their look-ups share batches
# Of the known answers' operations on wide numbers, which take long, those that show something of their own.
WIDE: Final = frozenset(
    ["add_64", "sub_64", "ge_64", "select_64", "xor_64_scalar", "rotl_64_scalar", "rand_64", "cast_8_to_64"]
)

Digests = dict[str, str]


class Golden(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file: SHA-256 by name, by release."""

    files: dict[str, Digests]
    squash_files: dict[str, Digests]
    results: dict[str, Digests]


def golden() -> Golden:
    """The file's content."""
    return msgspec.json.decode(FILE.read_bytes(), type=Golden)


def of_files(folder: Path) -> Digests:
    """Of a folder's key files."""
    found: Digests = {}
    for path in sorted(folder.iterdir()):
        if path.suffix != ".json":
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def of_results(wave: WaveCompute, known: KnownAnswers) -> Digests:
    """Of the ct64s of the known answers' operations, and of a component of several steps."""

    def computed(name: str) -> tuple[str, str]:
        one = by_name[name]
        operands = [operand(known, item) for item in one.inputs]
        return name, hashlib.sha256(wave.execute(one.op, operands, one.out_type)).hexdigest()

    by_name = {item.name: item for item in known.operations if is_kept(item.name)}
    with ThreadPoolExecutor(THREADS) as threads:
        found = dict(threads.map(computed, by_name))
    work = component(known)
    # They come in the order in which they are settled.
    stored = {each.handle: each.ct64 for each in wave.outputs(work)}
    for place, handle in enumerate(work.outputs):
        found[f"component_{place}"] = hashlib.sha256(stored[handle]).hexdigest()
    return found


def is_kept(name: str) -> bool:
    """Whether an operation of the known answers has a digest."""
    return "_64" not in name or name in WIDE


def component(known: KnownAnswers) -> ComputeWork:
    """A transfer of 64 bits in the whitepaper's form, on stored numbers of the known answers."""
    balance, receiver, amount, kept, more, left, received = map(
        _handle, ("balance", "receiver", "amount", "kept", "more", "left", "received")
    )
    fits = _handle("fits", FheType.BOOL)
    steps = (
        _step("Ge", balance, amount, result=fits),
        _step("Sub", balance, amount, result=kept),
        _step("Add", receiver, amount, result=more),
        _step("IfThenElse", fits, kept, balance, result=left),
        _step("IfThenElse", fits, more, receiver, result=received),
    )
    given = zip((balance, receiver, amount), ("a5", "b5", "c5"), strict=True)
    inputs = tuple(
        Ciphertext(handle=name, fhe_type=FheType.UINT64, ct64=bytes.fromhex(known.inputs[stored].ct64))
        for name, stored in given
    )
    return ComputeWork(
        item="golden", tenant="t", attempt=1, timeout_s=60, key_id=b"k", steps=steps, inputs=inputs,
        outputs=(fits, left, received),
    )  # fmt: skip


def _handle(name: str, fhe_type: FheType = FheType.UINT64) -> bytes:
    return stamp(name.encode().ljust(32, b"\0"), COMPUTED_INDEX, 1, fhe_type)


def _step(name: str, *operands: bytes, result: bytes) -> Step:
    return Step(
        operation=BY_NAME[name].code, operands=operands, is_scalar=False, result=result, fhe_type=result[30]
    )


def recorded(known_before: Golden) -> Golden:
    """The content with the present releases, which are new ones or as they were."""
    generated = client.generate_seeded("tfhe-rs", SEED)
    files: KeyFiles = KeyStore().derive(generated.keyset_digest)
    keyset = KeyStore().keyset(generated.keyset_digest)
    wave = engines.open_compute("wave", files, threads=2)
    assert isinstance(wave, WaveCompute)
    known = load(FIXTURES / "tfhe/known_answers.json")
    found = of_results(wave, known)
    return Golden(
        files=_with(known_before.files, key_files.RELEASE, of_files(key_files.derived(keyset))),
        squash_files=_with(
            known_before.squash_files, squash_files.RELEASE, of_files(squash_files.derived(keyset))
        ),
        results=_with(known_before.results, suite.RELEASE, found),
    )


def _with(before: Mapping[str, Digests], release: str, found: Digests) -> dict[str, Digests]:
    if before.get(release, found) != found:
        raise SystemExit(f"{release} was recorded with other digests: bits that change take a new release")
    return {**before, release: found}


if __name__ == "__main__":
    before = golden() if FILE.exists() else Golden(files={}, squash_files={}, results={})
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(recorded(before)), indent=1) + b"\n")
    sys.stdout.write(f"{FILE}\n")
