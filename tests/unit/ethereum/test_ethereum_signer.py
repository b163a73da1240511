import pickle
from pathlib import Path

import pytest
import rlp as reference_rlp
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.adapters.ethereum import rlp
from streams.adapters.ethereum.signer import Signer, Transaction, load_signer, recover
from streams.domain.digest import keccak256
from streams.domain.errors import ConfigurationError
from streams.settings import KeyFileSettings

# The first account of the mnemonic that every development node knows.
SECRET = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
ADDRESS = bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
WORDS = st.recursive(st.binary(max_size=70), lambda items: st.lists(items, max_size=5), max_leaves=12)


def test_the_address_belongs_to_the_key() -> None:
    assert Signer(SECRET).address == ADDRESS


def test_a_key_does_not_show() -> None:
    signer = Signer(SECRET)
    assert repr(signer) == str(signer) == f"Signer(0x{ADDRESS.hex()})"
    with pytest.raises(TypeError, match="does not leave"):
        pickle.dumps(signer)
    assert not hasattr(signer, "__dict__")


@pytest.mark.parametrize(
    "secret", [b"", bytes(32), b"\xff" * 32, bytes(33)], ids=["empty", "zero", "high", "long"]
)
def test_what_is_no_key_is_refused_without_being_quoted(secret: bytes) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Signer(secret)
    assert raised.value.__cause__ is None
    assert "ff" * 8 not in str(raised.value)


@given(st.binary(min_size=32, max_size=32))
def test_a_signature_recovers_to_its_signer(digest: bytes) -> None:
    signature = Signer(SECRET).sign_digest(digest)
    assert len(signature) == 65
    assert signature[64] in (27, 28)
    assert recover(digest, signature) == ADDRESS
    assert recover(keccak256(digest), signature) != ADDRESS


@pytest.mark.parametrize(
    "signature",
    [b"", bytes(64), bytes(65), bytes(64) + b"\x1b", b"\xff" * 64 + b"\x1b", bytes(66), bytes(64) + b"\x1d"],
)
def test_what_is_no_signature_recovers_to_nobody(signature: bytes) -> None:
    assert recover(bytes(32), signature) is None


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(21_000, 30_000_000),
    st.integers(0, 2**70),
    st.one_of(st.none(), st.binary(min_size=20, max_size=20)),
    st.binary(max_size=200),
)
def test_a_transaction_is_what_the_reference_signs(
    nonce: int, gas: int, fee: int, to: bytes | None, data: bytes
) -> None:
    transaction = Transaction(
        chain_id=54321,
        nonce=nonce,
        gas=gas,
        max_fee_per_gas=fee,
        max_priority_fee_per_gas=fee // 2,
        to=to,
        data=data,
    )
    fields = {
        "type": 2,
        "chainId": 54321,
        "nonce": nonce,
        "gas": gas,
        "maxFeePerGas": fee,
        "maxPriorityFeePerGas": fee // 2,
        "to": to or b"",
        "data": data,
        "value": 0,
    }
    reference = Account.sign_transaction(fields, SECRET)
    signed = Signer(SECRET).sign_transaction(transaction)
    assert (signed.raw, signed.hash) == (bytes(reference.raw_transaction), bytes(reference.hash))


@given(WORDS)
def test_the_encoding_is_that_of_the_reference(item: rlp.Item) -> None:
    assert rlp.encode(item) == reference_rlp.encode(item)


@given(st.integers(0, 2**256))
def test_numbers_have_no_leading_zeros(number: int) -> None:
    assert rlp.encode(number) == reference_rlp.encode(number)


@pytest.mark.parametrize("text", [SECRET.hex(), f"0x{SECRET.hex()}", f"\n 0x{SECRET.hex().upper()}\n"])
def test_a_key_is_read_from_its_file(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    assert load_signer(KeyFileSettings(private_key_file=file), "VARIABLE").address == ADDRESS


@pytest.mark.parametrize("text", ["", "0x", "secret words", SECRET.hex()[:-2], SECRET.hex() + "zz", "é"])
def test_a_file_that_holds_no_key_is_named_but_not_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        load_signer(KeyFileSettings(private_key_file=file), "VARIABLE")
    assert "VARIABLE" in str(raised.value)
    assert SECRET.hex()[:16] not in str(raised.value)
    assert "words" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no-such-key"):
        load_signer(KeyFileSettings(private_key_file=tmp_path / "no-such-key"), "VARIABLE")
