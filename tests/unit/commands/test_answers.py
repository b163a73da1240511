from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.commands import answers, machine
from streams.devnet import client
from streams.domain.digest import keccak256
from streams.domain.handle import blob_hash, input_handle
from streams.domain.operations import BY_CODE, OPERATIONS, FheType
from streams.fhe import clear, engines, known_answers, matrix
from streams.fhe.keyset import KeyFiles
from streams.fhe.known_answers import Input, KnownAnswers, KnownHandle, KnownOperation, KnownSquash
from streams.fhe.suite import ClearValue

ADD = next(operation.code for operation in OPERATIONS if operation.name == "Add")
LATER = max(BY_CODE) + 1  # a code that no operation of this version has
CHAIN = 12345


class ClearSamples:
    """Encrypts nothing, and knows no key."""

    def __init__(self, client_key: bytes, files: KeyFiles) -> None:
        assert client_key == b"secret"

    def encrypt(self, clear_value: ClearValue) -> bytes:
        return clear.encode(clear.STORED, clear_value)

    def decrypt(self, ct64: bytes) -> ClearValue:
        return ClearValue(ct64[4], clear.decode(clear.STORED, ct64, ct64[4]))


def test_the_matrix_is_continued_and_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / client.CLIENT_KEY).write_bytes(b"secret")
    made = client.Generated(engine="tfhe-rs", keyset_digest=b"", crs_digest=b"", secrets=str(tmp_path))
    monkeypatch.setattr(answers, "keys", lambda: (made, KeyFiles(tmp_path)))
    monkeypatch.setattr(machine, "needs", lambda: iter(()))
    monkeypatch.setattr(client, "TfheSamples", ClearSamples)
    monkeypatch.setattr(engines, "open_compute", lambda *_: clear.ClearCompute())
    report, count = tmp_path / "report.jsonl", len(matrix.cells())
    report.write_text('{"cell": "Add_8", "equal": true, "cpu_s": 1.5}\n')
    result = CliRunner().invoke(app, ["doctor", "--matrix", str(report)])
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, f"{count}/{count}")
    assert len(report.read_text().splitlines()) == count


def stored(value: int) -> bytes:
    return clear.encode(clear.STORED, ClearValue(FheType.UINT8, value))


def operation(name: str, code: int, result: int) -> KnownOperation:
    """An operation on 7 and 9."""
    return KnownOperation(
        name=name,
        op=code,
        is_scalar=False,
        inputs=("a", "b"),
        out_type=FheType.UINT8,
        ct64_keccak=keccak256(stored(result)).hex(),
    )


def answers_of(*operations: KnownOperation) -> KnownAnswers:
    """A file's content in the format of the clear engine, with one squash and one input."""
    addresses = [f"0x{number:040x}" for number in (1, 2, 3)]
    contract, user, acl = addresses
    empty = known_answers.KnownProof(contract, user, acl, CHAIN, "", ())
    salt, value = bytes(clear.SALT_BYTES), ClearValue(FheType.UINT8, 3)
    raw = clear.encode_list([value], known_answers.auxiliary_data(empty), salt)
    handle = input_handle(blob_hash(raw), 0, bytes.fromhex(acl[2:]), CHAIN, FheType.UINT8)
    known = KnownHandle(handle.hex(), FheType.UINT8, keccak256(stored(3)).hex())
    squashed = clear.encode(clear.SQUASHED, ClearValue(FheType.UINT8, 7))
    return KnownAnswers(
        inputs={name: Input(FheType.UINT8, str(of), stored(of).hex()) for name, of in (("a", 7), ("b", 9))},
        operations=operations,
        squash=(KnownSquash("a", keccak256(squashed).hex()),),
        input_proof=msgspec.structs.replace(empty, list=raw.hex(), handles=(known,)),
    )


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[KnownAnswers], Any]:
    """Runs the command on a file of this content, on a machine whose engine is the clear one."""
    made = client.Generated(engine="tfhe-rs", keyset_digest=b"", crs_digest=b"", secrets=str(tmp_path))
    monkeypatch.setattr(answers, "keys", lambda: (made, KeyFiles(tmp_path)))
    monkeypatch.setattr(machine, "needs", lambda: iter(()))
    monkeypatch.setattr(engines, "open_compute", lambda *_: clear.ClearCompute())
    monkeypatch.setattr(engines, "open_proof", lambda *_: clear.ClearProof())
    monkeypatch.setattr(engines, "open_squash", lambda *_: clear.ClearSquash())

    def compare(known: KnownAnswers) -> Any:
        file = tmp_path / "answers.json"
        file.write_bytes(msgspec.json.encode(known))
        return CliRunner().invoke(app, ["doctor", "--known-answers", str(file)])

    return compare


def test_equal_answers_are_counted(compare: Callable[[KnownAnswers], Any]) -> None:
    result = compare(answers_of(operation("add_8", ADD, 16)))
    assert (result.exit_code, result.stdout) == (0, "3/3\n")
    assert result.stderr.count("equal ") == 3
    assert "instruction set in use: " in result.stderr


def test_a_different_answer_is_named_and_is_exit_code_1(compare: Callable[[KnownAnswers], Any]) -> None:
    result = compare(answers_of(operation("add_8", ADD, 16), operation("add_wrong", ADD, 17)))
    assert (result.exit_code, result.stdout) == (1, "differs: add_wrong\n3/4\n")
    assert "DIFFERENT  add_wrong" in result.stderr


def test_operations_of_a_later_version_are_listed_and_not_counted(
    compare: Callable[[KnownAnswers], Any],
) -> None:
    later = [operation(name, LATER, 1) for name in ("later_8", "later_64")]
    result = compare(answers_of(operation("add_8", ADD, 16), *later))
    assert (result.exit_code, result.stdout) == (0, "not in this version: later_8, later_64\n3/3\n")


def test_a_file_without_an_answer_proves_nothing(compare: Callable[[KnownAnswers], Any]) -> None:
    known = answers_of(operation("later_8", LATER, 1))
    proof = msgspec.structs.replace(known.input_proof, handles=())
    result = compare(msgspec.structs.replace(known, squash=(), input_proof=proof))
    assert (result.exit_code, result.stdout) == (1, "not in this version: later_8\n0/0\n")


def test_another_file_is_refused_before_keys_are_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "needs", lambda: iter(()))
    monkeypatch.setattr(answers, "keys", lambda: pytest.fail("keys were made"))
    result = CliRunner().invoke(app, ["doctor", "--known-answers", str(tmp_path / "none.json")])
    assert result.exit_code == 1
    assert "not a file of known answers" in str(result.exception)
