"""Golden digests: derived keys and stored results of `wave` are, bit for bit, those of their release."""

from itertools import islice
from pathlib import Path

import pytest

from streams.devnet import client
from streams.domain.operations import BY_CODE, OPERATIONS, Kind
from streams.fhe.formats import activated
from streams.fhe.keyset import KeyFiles, KeyStore
from streams.fhe.known_answers import KnownAnswers
from streams.fhe.wave import key_files, squash_files, suite
from streams.fhe.wave.suite import WaveCompute
from tests.integration.fhe.golden import component, golden, is_kept, of_files, of_results

pytestmark = pytest.mark.fhe

AGAIN = "changed on purpose? raise the release and run python -m tests.integration.fhe.golden"


@pytest.fixture(scope="module")
def keyset(generated: client.Generated, files: KeyFiles) -> Path:
    assert files.folder.exists()
    return KeyStore().keyset(generated.keyset_digest)


def test_key_files_are_those_of_their_release(keyset: Path, tmp_path: Path) -> None:
    # Derived anew: what a machine derived long ago says nothing about today's code.
    (tmp_path / keyset.name).symlink_to(keyset)
    found = of_files(key_files.derived(tmp_path / keyset.name))
    assert found == golden().files[key_files.RELEASE], AGAIN
    assert of_files(key_files.derived(keyset)) == found


def test_keys_that_squash_are_those_of_their_release(keyset: Path) -> None:
    folder = squash_files.derived(keyset)
    assert of_files(folder) == golden().squash_files[squash_files.RELEASE], AGAIN
    # Two gigabytes are not made anew, but the header and the first piece of each file are.
    keys = activated.read_squashing(keyset)
    for name, parts in (("squash", squash_files.squash_parts(keys)), ("pack", squash_files.pack_parts(keys))):
        begin = b"".join(islice(parts, 2))
        with (folder / name).open("rb") as file:
            assert file.read(len(begin)) == begin, AGAIN


def test_stored_results_are_those_of_their_release(wave: WaveCompute, known: KnownAnswers) -> None:
    assert of_results(wave, known) == golden().results[suite.RELEASE], AGAIN


def test_every_operation_has_a_digest(known: KnownAnswers) -> None:
    kept = golden().results[suite.RELEASE]
    operations = {BY_CODE[item.op].name for item in known.operations if item.name in kept}
    assert operations == {row.name for row in OPERATIONS if row.kind is not Kind.INPUT}
    outputs = {f"component_{place}" for place in range(len(component(known).outputs))}
    assert {item.name for item in known.operations if is_kept(item.name)} | outputs == set(kept)
