"""The engine `wave` on activated keys: what it reads, what it computes, who can read its results."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import cipherstream_kernel as kernel
import pytest

from streams.devnet import client
from streams.domain.errors import DevicesLost, KeyMaterialError, KeyMissing, OperationError
from streams.domain.handle import COMPUTED_INDEX, stamp
from streams.domain.operations import BY_NAME, FheType
from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork, Step
from streams.fhe import clear
from streams.fhe.formats import public_key, xof_key_set
from streams.fhe.formats.seeded import SeededRows
from streams.fhe.keyset import KeyFiles, KeyStore
from streams.fhe.suite import ClearValue, Encrypted, Plain
from streams.fhe.tfhe_rs import TfheSquash
from streams.fhe.wave.exam import Subject
from streams.fhe.wave.key_files import derived, opened
from streams.fhe.wave.suite import WaveCompute
from tests.unit.fhe.wave.faults import Fault, faulty

pytestmark = pytest.mark.fhe

BOOL, U8, U64 = FheType.BOOL, FheType.UINT8, FheType.UINT64


@pytest.fixture(scope="module")
def keyset(generated: client.Generated, files: KeyFiles) -> Path:
    assert files.folder.exists()
    return KeyStore().keyset(generated.keyset_digest)


def test_expanded_keys_are_the_words_that_the_crate_expands(keyset: Path, files: KeyFiles) -> None:
    public, keys = xof_key_set.read(keyset)
    stored = files.compute.read_bytes()
    for name in ("switch", "cast", "pack", "re_randomise"):
        assert getattr(keys, name).expanded().tobytes() in stored, name
    assert public.expanded().tobytes() in files.public.read_bytes()
    assert public.expanded().reshape(-1).tolist() == public_key.read(files.public).tolist()
    # The crate keeps bootstrap keys transformed: what is computed with them shows whether they are right.
    parts = (getattr(keys, field.name) for field in fields(keys))
    blocks = [rows.start.block for rows in (public, *parts) if isinstance(rows, SeededRows)]
    assert len(set(blocks)) == len(blocks) == 8


def test_the_files_are_made_once(keyset: Path) -> None:
    first = derived(keyset)
    made = (first / "manifest.json").stat().st_mtime_ns
    assert (derived(keyset) / "manifest.json").stat().st_mtime_ns == made


def test_a_damaged_file_is_told(keyset: Path, tmp_path: Path) -> None:
    for file in derived(keyset).iterdir():
        (tmp_path / file.name).symlink_to(file)
    whole = (tmp_path / "switch").read_bytes()
    (tmp_path / "switch").unlink()
    (tmp_path / "switch").write_bytes(whole[:-64])
    with pytest.raises(KeyMaterialError, match="do not open"):
        opened(tmp_path)
    (tmp_path / "switch").unlink()
    with pytest.raises(KeyMaterialError, match="do not open"):
        opened(tmp_path)


def test_without_the_key_set_there_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing):
        WaveCompute.open(KeyFiles(tmp_path / "derived"))


OPERATIONS = (
    ("Add", (200, 100), U8),
    ("Sub", (3, 5), U8),
    ("Mul", (77, 13), U8),
    ("Ge", (9, 9), BOOL),
    ("Max", (9, 14), U8),
    ("BitXor", (0xF0, 0x3C), U8),
    ("Shl", (0x81, 3), U8),
)


@pytest.mark.parametrize(("name", "numbers", "out_type"), OPERATIONS, ids=[each[0] for each in OPERATIONS])
def test_operations_give_what_the_clear_engine_gives(
    name: str, numbers: tuple[int, ...], out_type: FheType, wave: WaveCompute, samples: client.TfheSamples
) -> None:
    values = [ClearValue(U8, number) for number in numbers]
    code = BY_NAME[name].code
    due = clear.ClearCompute().execute(
        code, [Encrypted(U8, clear.encode(clear.STORED, value)) for value in values], out_type
    )
    found = wave.execute(code, [Encrypted(U8, samples.encrypt(value)) for value in values], out_type)
    assert samples.decrypt(found) == ClearValue(out_type, clear.decode(clear.STORED, due, out_type))


def test_casts_scalars_and_trivial_numbers(wave: WaveCompute, samples: client.TfheSamples) -> None:
    byte = Encrypted(U8, samples.encrypt(ClearValue(U8, 77)))
    wide = wave.execute(BY_NAME["Cast"].code, [byte, Plain(bytes([U64]))], U64)
    assert samples.decrypt(wide) == ClearValue(U64, 77)
    more = wave.execute(BY_NAME["Add"].code, [byte, Plain(b"\xc8")], U8)
    assert samples.decrypt(more) == ClearValue(U8, (77 + 200) % 256)
    known = wave.execute(BY_NAME["TrivialEncrypt"].code, [Plain(b"\x05"), Plain(bytes([U8]))], U8)
    assert samples.decrypt(known) == ClearValue(U8, 5)


@pytest.mark.parametrize("is_scalar", [False, True])
def test_a_product_is_divided_whole(wave: WaveCompute, samples: client.TfheSamples, is_scalar: bool) -> None:
    left, right = (Encrypted(U8, samples.encrypt(ClearValue(U8, number))) for number in (200, 77))
    factor = Plain(b"\x4d") if is_scalar else right
    found = wave.execute(BY_NAME["MulDiv"].code, [left, factor, Plain(b"\x64")], U8)
    assert samples.decrypt(found) == ClearValue(U8, 200 * 77 // 100)


def test_random_numbers_follow_the_seed(wave: WaveCompute, samples: client.TfheSamples) -> None:
    def drawn(seed: int) -> bytes:
        operands = [Plain(seed.to_bytes(32, "big")), Plain(bytes([U8]))]
        return wave.execute(BY_NAME["Rand"].code, operands, U8)

    assert drawn(1) == drawn(1)
    assert len({samples.decrypt(drawn(seed)).value for seed in range(4)}) > 1


def handle(name: str, fhe_type: FheType) -> bytes:
    return stamp(name.encode().ljust(32, b"\0"), COMPUTED_INDEX, 1, fhe_type)


def step(name: str, *operands: bytes, result: bytes) -> Step:
    return Step(
        operation=BY_NAME[name].code, operands=operands, is_scalar=False, result=result, fhe_type=result[30]
    )


BALANCE, AMOUNT = handle("balance", U8), handle("amount", U8)
FITS, MOVED, LEFT = handle("fits", BOOL), handle("moved", U8), handle("left", U8)


def transfer(samples: client.TfheSamples, balance: int, amount: int) -> ComputeWork:
    numbers = {BALANCE: balance, AMOUNT: amount}
    inputs = tuple(
        Ciphertext(handle=name, fhe_type=U8, ct64=samples.encrypt(ClearValue(U8, number)))
        for name, number in numbers.items()
    )
    steps = (
        step("Le", AMOUNT, BALANCE, result=FITS),
        step("IfThenElse", FITS, AMOUNT, BALANCE, result=MOVED),
        step("Sub", BALANCE, MOVED, result=LEFT),
    )
    return ComputeWork(
        item="i", tenant="t", attempt=1, timeout_s=60, key_id=b"k", steps=steps, inputs=inputs,
        outputs=(FITS, MOVED, LEFT),
    )  # fmt: skip


def test_a_component_is_computed_whole_and_others_can_read_and_squash_it(
    wave: WaveCompute, samples: client.TfheSamples, squash: TfheSquash, decryptor: client.TfheDecryptor
) -> None:
    found = {each.handle: each for each in wave.outputs(transfer(samples, 200, 45))}
    clear_values = {name: samples.decrypt(each.ct64).value for name, each in found.items()}
    assert clear_values == {FITS: 1, MOVED: 45, LEFT: 155}
    # The selection's result is a sum of two ciphertexts, and was stored as such.
    assert decryptor.decrypt(squash.squash(found[MOVED].ct64, U8), U8) == 45


def test_bytes_do_not_depend_on_threads_paths_or_processes_before(
    keyset: Path, wave: WaveCompute, samples: client.TfheSamples
) -> None:
    work = transfer(samples, 20, 45)
    first = {each.handle: each.ct64 for each in wave.outputs(work)}
    for path in kernel.instruction_sets()[:2]:  # the portable one takes minutes
        other = WaveCompute(opened(derived(keyset), threads=1, path=path))
        assert {each.handle: each.ct64 for each in other.outputs(work)} == first, path


def test_a_lying_device_leaves_and_the_bytes_are_those_of_the_honest_one(
    keyset: Path, wave: WaveCompute, samples: client.TfheSamples
) -> None:
    work = transfer(samples, 20, 45)
    first = {each.handle: each.ct64 for each in wave.outputs(work)}
    keys, fault = opened(derived(keyset)), Fault()
    lying = faulty(keys.units[0], fault)
    two = WaveCompute(replace(keys, units=(lying, *keys.units)), known_answer_every=4)
    alone = WaveCompute(replace(keys, units=(lying,)))
    fault.wrong = frozenset({Subject.LOOK_UP})
    assert {each.handle: each.ct64 for each in two.outputs(work)} == first
    assert two.tally().devices_lost == 1
    found = alone.outputs(work)
    with pytest.raises(DevicesLost, match="look-up"):
        next(found)


def test_the_machine_is_measured_on_a_device_in_service(keyset: Path) -> None:
    keys = opened(derived(keyset))
    dead = faulty(keys.units[0], Fault(raises=frozenset({Subject.RANDOM})))
    assert WaveCompute(replace(keys, units=(dead, *keys.units))).lookup_s() > 0


def test_bytes_do_not_depend_on_what_is_computed_beside(
    wave: WaveCompute, samples: client.TfheSamples
) -> None:
    works = [transfer(samples, balance, 45) for balance in (20, 45, 200)]
    alone = [{each.handle: each.ct64 for each in wave.outputs(work)} for work in works]
    misses = wave.tally().misses
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda work: {e.handle: e.ct64 for e in wave.outputs(work)}, works))
    assert together == alone
    # The inputs are the same ct64s: they were decompressed before.
    assert wave.tally().misses == misses


def test_what_cannot_be_computed_is_an_operation_error(
    wave: WaveCompute, samples: client.TfheSamples
) -> None:
    add = BY_NAME["Add"].code
    byte = samples.encrypt(ClearValue(U8, 1))
    with pytest.raises(OperationError, match="does not decode"):
        wave.execute(add, [Encrypted(U8, b"garbage"), Encrypted(U8, byte)], U8)
    with pytest.raises(OperationError, match="a number of 8 bits, expected is UINT64"):
        wave.execute(add, [Encrypted(U64, byte), Encrypted(U64, byte)], U64)
    with pytest.raises(OperationError):
        wave.execute(add, [Encrypted(U8, byte)], U8)
