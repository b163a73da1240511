"""Server keys by their layout; the crate's own words where real keys are."""

from pathlib import Path

import numpy as np
import pytest
from unit.fhe.formats import server_keys
from unit.fhe.formats.server_keys import ALL_BUT_SQUASHING, SEED

from streams.domain.errors import KeyMaterialError, KeyMissing, KeyPartMissing
from streams.fhe.formats import activated, public_key, server_key
from streams.fhe.formats.mask_stream import MaskStart
from streams.fhe.key_objects import CLEAR_MAGIC
from streams.fhe.key_parts import Part
from streams.fhe.parameters import PINNED

OPTIONAL = (*ALL_BUT_SQUASHING, Part.SQUASHING)


def parsed(content: bytes) -> server_key.ServerKey:
    return server_key.parse(memoryview(content))


@pytest.mark.parametrize("parts", [(), *((part,) for part in ALL_BUT_SQUASHING), ALL_BUT_SQUASHING])
def test_what_is_left_out_is_known(parts: tuple[Part, ...]) -> None:
    found = parsed(server_keys.server_key(parts))
    assert set(found.lacks) == set(OPTIONAL) - set(parts)


def test_each_key_is_drawn_from_a_stream_of_its_own() -> None:
    switch = parsed(server_keys.server_key()).switch
    assert switch.start == MaskStart(SEED, 0, 0, is_key=True)
    rows = switch.expanded()
    assert rows.shape == (PINNED.big_dimension * PINNED.ks.level, PINNED.lwe_dimension + 1)
    assert rows[0, :-1].tolist() == switch.start.words(PINNED.lwe_dimension).tolist()


def test_another_version_or_length_is_refused_with_its_place() -> None:
    with pytest.raises(KeyMaterialError, match="version or variant 7 at byte 73"):
        parsed(server_keys.server_key(mark=6))
    whole = server_keys.server_key()
    with pytest.raises(KeyMaterialError, match="bytes more"):
        parsed(whole[:-1])
    with pytest.raises(KeyMaterialError, match="the end"):
        parsed(whole + b"\0")


def test_a_public_key_is_its_mask_and_body() -> None:
    words = np.arange(4096, dtype=np.uint64)
    assert public_key.parse(memoryview(server_keys.public_key(words.tobytes()))).tolist() == words.tolist()
    with pytest.raises(KeyMaterialError, match="the end"):
        public_key.parse(memoryview(server_keys.public_key() + b"\0"))


@pytest.fixture
def given(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "keyset", tmp_path / "public_key"


def test_a_server_key_and_its_public_key_are_activated_keys(given: tuple[Path, Path]) -> None:
    keyset, public = given
    keyset.write_bytes(server_keys.server_key(ALL_BUT_SQUASHING))
    with pytest.raises(KeyPartMissing, match="no public key"):
        activated.read(keyset, public)
    public.write_bytes(server_keys.public_key())
    keys = activated.read(keyset, public)
    assert (len(keys.public), len(keys.switch.bodies)) == (4096, PINNED.big_dimension * PINNED.ks.level)


def test_what_computing_needs_is_missed_by_its_name(given: tuple[Path, Path]) -> None:
    keyset, public = given
    keyset.write_bytes(server_keys.server_key((Part.COMPRESSION, Part.RANDOM)))
    public.write_bytes(server_keys.public_key())
    with pytest.raises(KeyPartMissing, match=r"the key set has no re-randomisation key$"):
        activated.read(keyset, public)


def test_what_holds_no_keys_is_refused(given: tuple[Path, Path]) -> None:
    keyset, public = given
    with pytest.raises(KeyMissing):
        activated.read(keyset, public)
    keyset.write_bytes(CLEAR_MAGIC + bytes(32))
    with pytest.raises(KeyMaterialError, match="engine clear"):
        activated.read(keyset, public)
