"""Whose client key it is decides who decrypts."""

from pathlib import Path

from streams.devnet import client
from streams.fhe.keyset import KeyStore


def test_a_client_key_tells_its_engine(tmp_path: Path) -> None:
    generated = client.generate("clear", bytes(32), tmp_path / "secrets", KeyStore(tmp_path / "keys"))
    assert client.engine_of(generated.client_key) == "clear"


def test_what_tfhe_rs_serialised_is_of_tfhe_rs(tmp_path: Path) -> None:
    """Not only key sets: a client key has a name of its own in its head."""
    key = tmp_path / "client_key"
    texts = (b"0.5", b"0.1", b"high_level_api::ClientKey")
    form, version, name = (len(text).to_bytes(8, "little") + text for text in texts)
    key.write_bytes(form + bytes(4) + version + name)
    assert client.engine_of(key) == "tfhe-rs"
