"""A `CompressedServerKey` without the keys that squash: what is read, derived, computed and held."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import without_wheels

from streams.devnet import client
from streams.domain.errors import KeyMaterialError, KeyPartMissing
from streams.domain.operations import BY_NAME, FheType
from streams.domain.work import WorkClass
from streams.fhe import key_parts
from streams.fhe.formats import public_key, server_key
from streams.fhe.key_parts import Part
from streams.fhe.keyset import KeyFiles, KeyStore
from streams.fhe.suite import ClearValue, ComputeSuite, Encrypted
from streams.fhe.tfhe_rs import TfheCompute
from streams.fhe.wave import word_files
from streams.fhe.wave.suite import WaveCompute
from streams.services import tfhe_worker

pytestmark = pytest.mark.fhe

U8 = FheType.UINT8
SEED = bytes(range(64, 96))


class Made(NamedTuple):
    """A server key as a key-management system would make it, and where it was derived."""

    client_key: bytes
    keyset: Path
    public: Path
    alone: tuple[Part, ...]  # what it lacked before its public key came
    files: KeyFiles


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("server-key")
    source, public = folder / "source", folder / "public"
    secret = client.native.generate_server_key(SEED, source, public, False)
    store = KeyStore(folder / "keys")
    digest = store.add_keyset(source)
    source.unlink()
    alone = store.derive(digest).lacks()
    store.add_public_key(digest, public)
    return Made(secret, store.keyset(digest), store.public_key(digest), alone, store.derive(digest))


@pytest.fixture(scope="module")
def samples(made: Made) -> client.TfheSamples:
    return client.TfheSamples(made.client_key, made.files)


def test_the_words_are_those_that_the_crate_expands(made: Made) -> None:
    keys = server_key.read(made.keyset)
    stored = made.files.compute.read_bytes()
    for name in ("switch", "cast", "pack", "re_randomise"):
        assert getattr(keys, name).expanded().tobytes() in stored, name
    words = public_key.read(made.public)
    assert words.tobytes() in made.files.public.read_bytes()
    seeds = {
        rows.start.seed for rows in (keys.switch, keys.rotate, keys.cast, keys.pack, keys.unpack) if rows
    }
    assert len(seeds) == 5


def test_both_readers_say_what_it_lacks_and_whose_work_that_holds(made: Made) -> None:
    assert made.alone == (Part.PUBLIC, Part.SQUASHING)
    assert made.files.lacks() == server_key.read(made.keyset).lacks == (Part.SQUASHING,)
    assert not made.files.squash.exists()
    for work_class in (WorkClass.TFHE, WorkClass.ZKPROOF):
        key_parts.check(made.files.lacks(), work_class)
    with pytest.raises(KeyPartMissing, match="sns work is held: the key set has no squashing key"):
        key_parts.check(made.files.lacks(), WorkClass.SNS)


@pytest.fixture(params=[TfheCompute, WaveCompute])
def suite(request: pytest.FixtureRequest, made: Made) -> ComputeSuite:
    return request.param.open(made.files, 2)


def test_either_engine_computes_with_it(suite: ComputeSuite, samples: client.TfheSamples) -> None:
    operands = [Encrypted(U8, samples.encrypt(ClearValue(U8, value))) for value in (200, 100)]
    assert samples.decrypt(suite.execute(BY_NAME["Add"].code, operands, U8)) == ClearValue(U8, 44)


class Seen(msgspec.Struct, frozen=True):
    """What a process without wheels tells of itself."""

    wheels: tuple[str, ...]
    lacks: tuple[Part, ...]
    derive_kib: int
    own_kib: int
    attach_s: float
    refusal: str


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_without_any_wheel_the_same_files_are_made_and_compute(
    made: Made, samples: client.TfheSamples, tmp_path: Path
) -> None:
    store = KeyStore(tmp_path / "keys")
    digest = bytes.fromhex(made.keyset.parent.name)
    beside = store.keyset(digest).parent
    beside.mkdir(parents=True)
    for source in (made.keyset, made.public):
        os.link(source, beside / source.name)
    for name, value in (("a", 200), ("b", 100)):
        (tmp_path / name).write_bytes(samples.encrypt(ClearValue(U8, value)))
    command = (sys.executable, without_wheels.__file__, str(store.root), digest.hex(), str(tmp_path))
    shown = subprocess.run(
        command, env=without_wheels.environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    seen = msgspec.json.decode(shown.stdout, type=Seen)
    assert (seen.wheels, seen.lacks) == ((), (Part.EXPANDED, Part.SQUASHING))
    assert samples.decrypt((tmp_path / "sum").read_bytes()) == ClearValue(U8, 44)
    assert (beside / "derived/public").read_bytes() == made.files.public.read_bytes()
    assert digests(beside / "wave-words") == digests(word_files.derived(made.keyset))
    expanded = made.files.compute.read_bytes()
    for name in ("switch", "pack"):
        assert (beside / "wave-words" / name).read_bytes() in expanded, name
    # The file is mapped, and one key after the other is expanded: nobody takes the crate's 3 GB.
    assert seen.derive_kib << 10 < 200_000_000, seen
    assert seen.own_kib << 10 < tfhe_worker.KIND.memory_bytes_max, seen
    assert seen.attach_s < 0.5, seen
    assert seen.refusal == (
        "the engine wave on the device cpu needs the wheel cipherstream_kernel, which is not installed"
    )


def test_another_object_in_its_place_is_refused(made: Made, tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    with pytest.raises(KeyMaterialError, match="CompactPublicKey; of a key set"):
        store.derive(store.add_keyset(made.public))
    with made.keyset.open("rb") as whole:
        (tmp_path / "cut").write_bytes(whole.read(1 << 20))
    with pytest.raises(KeyMaterialError, match="deriving from"):
        store.derive(store.add_keyset(tmp_path / "cut"))
