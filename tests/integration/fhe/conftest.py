"""The key set of the known answers, derived once per machine."""

from collections.abc import Callable
from pathlib import Path

import core_time
import pytest

from streams.devnet import client
from streams.fhe import engines
from streams.fhe.device_choice import DeviceName
from streams.fhe.keyset import KeyFiles, KeyStore
from streams.fhe.known_answers import SEED, KnownAnswers, load
from streams.fhe.suite import ComputeSuite, SquashSuite
from streams.fhe.tfhe_rs import TfheCompute, TfheProof, TfheSquash
from streams.fhe.wave.squash import WaveSquash
from streams.fhe.wave.suite import WaveCompute

FIXTURES = Path(__file__).parents[2] / "fixtures/tfhe"


@pytest.fixture
def spent(record_property: Callable[[str, object], None]) -> Callable[[str, float], None]:
    """Takes down core-seconds of really encrypted work, to be told at the end of the run."""
    return lambda what, core_s: record_property(core_time.PROPERTY + what, core_s)


@pytest.fixture(scope="session")
def generated() -> client.Generated:
    return client.generate_seeded("tfhe-rs", SEED)


@pytest.fixture(scope="session")
def files(generated: client.Generated) -> KeyFiles:
    return KeyStore().derive(generated.keyset_digest)


@pytest.fixture(scope="session")
def crs(generated: client.Generated) -> Path:
    return KeyStore().crs(generated.crs_digest)


@pytest.fixture(scope="session")
def known() -> KnownAnswers:
    return load(FIXTURES / "known_answers.json")


@pytest.fixture(scope="session")
def encryptor(files: KeyFiles, crs: Path) -> client.TfheEncryptor:
    return client.TfheEncryptor.open(files.public, crs)


@pytest.fixture(scope="session")
def decryptor(generated: client.Generated) -> client.TfheDecryptor:
    return client.TfheDecryptor(generated.client_key.read_bytes())


# The keys take gigabytes: a module holds only the ones that it names.


@pytest.fixture(scope="module")
def compute(files: KeyFiles) -> TfheCompute:
    return TfheCompute.open(files, threads=2)


@pytest.fixture(scope="module")
def proofs(files: KeyFiles, crs: Path) -> TfheProof:
    return TfheProof.open(files, crs, threads=2)


@pytest.fixture(scope="module")
def squash(files: KeyFiles) -> TfheSquash:
    return TfheSquash.open(files, threads=2)


@pytest.fixture(scope="module")
def samples(generated: client.Generated, files: KeyFiles) -> client.TfheSamples:
    return client.TfheSamples(generated.client_key.read_bytes(), files)


@pytest.fixture(scope="module")
def wave(files: KeyFiles, wave_device: DeviceName) -> WaveCompute:
    suite = engines.open_compute("wave", files, threads=2, device=wave_device)
    assert isinstance(suite, WaveCompute)
    return suite


@pytest.fixture(scope="module")
def wave_squash(files: KeyFiles, wave_device: DeviceName) -> WaveSquash:
    suite = engines.open_squash("wave", files, threads=2, device=wave_device)
    assert isinstance(suite, WaveSquash)
    return suite


# For what both engines promise. The fixtures above and not suites of their own: no key twice in memory.


@pytest.fixture(scope="module", params=["compute", "wave"], ids=["tfhe-rs", "wave"])
def either_compute(request: pytest.FixtureRequest) -> ComputeSuite:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module", params=["squash", "wave_squash"], ids=["tfhe-rs", "wave"])
def either_squash(request: pytest.FixtureRequest) -> SquashSuite:
    return request.getfixturevalue(request.param)
