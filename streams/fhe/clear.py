"""The engine `clear`: the ports on clear numbers, for load tests, simulation and as independent semantics.

Formats, all numbers big-endian:
`CLR1` type (1) value                                                                    stored
`CLRP` keccak of the auxiliary data (32) salt (16) count (2) then type (1) value each     input list
`CLRS` type (1) value                                                                    squashed
`CLRK` seed (32)                                                                         key set
A value takes 32 bytes, or its type's width where that is more.

Nothing here protects anything. No decoder of a real engine accepts these bytes, and none of these functions
accepts bytes of a real engine.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Self

from streams.domain.digest import keccak256
from streams.domain.errors import InvalidInput, KeyMaterialError, OperationError
from streams.domain.operations import TYPE_BITS, FheType
from streams.fhe import arithmetic, coverage
from streams.fhe.key_objects import CLEAR_MAGIC
from streams.fhe.keyset import KeyFiles
from streams.fhe.suite import ClearValue, Encrypted, Expanded, Operand, Tally

# Four letters that begin no object of a real engine: those begin with the length of a version's text, a
# small little-endian number.
STORED: Final = b"CLR1"
PROVEN: Final = b"CLRP"
SQUASHED: Final = b"CLRS"
# handles are made from the list's hash: two lists of the same values must not have the same
SALT_BYTES: Final = 16
PROOF_BYTES_MAX: Final = 16 << 20  # the protocol's limit of an input list
VALUES_MAX: Final = 255  # index 255 of a handle means "computed"

_VALUE_BYTES: Final = 32
# magic, hash, salt, count
_HEAD_BYTES: Final = 4 + 32 + SALT_BYTES + 2


def encode(magic: bytes, clear: ClearValue) -> bytes:
    """One value in the stored or squashed format, cut to its type's width."""
    # Cut here and nowhere else: results of `arithmetic` may be wider than their type, or negative.
    width = TYPE_BITS[FheType(clear.fhe_type)]
    return magic + _encoded(ClearValue(clear.fhe_type, clear.value & ((1 << width) - 1)))


def decode(magic: bytes, data: bytes, fhe_type: int) -> int:
    """The value in the stored or squashed format.

    Raises:
        OperationError: these are other bytes, or another type.
    """
    # The length is compared too: a record that was cut must not read as another number.
    if not data.startswith(magic) or len(data) < 5 or len(data) != 5 + _value_bytes(data[4]):
        raise OperationError(f"not a value of the clear engine ({magic.decode()})")
    # after the magic's four bytes: one of the type, then the number
    if data[4] != fhe_type:
        raise OperationError(f"a value of type {data[4]}, expected {fhe_type}")
    return int.from_bytes(data[5:], "big")


def encode_list(values: Sequence[ClearValue], auxiliary: bytes, salt: bytes) -> bytes:
    """An input list as a client sends it; the salt makes equal lists different, as encryption does."""
    # The hash takes the proof's place: a list that was made for another user, contract or chain is refused,
    # so that rejections can be tried out without a real proof.
    body = b"".join(_encoded(value) for value in values)
    return PROVEN + keccak256(auxiliary) + salt + len(values).to_bytes(2, "big") + body


def _encoded(clear: ClearValue) -> bytes:
    return bytes((clear.fhe_type,)) + clear.value.to_bytes(_value_bytes(clear.fhe_type), "big")


def _value_bytes(fhe_type: int) -> int:
    # An unknown type has some width as well: it is refused afterwards, by a message that names it.
    return max(_VALUE_BYTES, FheType(fhe_type).bits // 8) if fhe_type in TYPE_BITS else _VALUE_BYTES


class _Timed:
    """Has no look-ups."""

    # 0 is "no measurement": the pool keeps its limits as configured.
    def lookup_s(self) -> float:
        """No time at all."""
        return 0.0


class ClearCompute(_Timed):
    """Executes operations on clear numbers."""

    @classmethod
    def open(cls, files: KeyFiles, threads: int = 1) -> Self:
        """Checks that the key set is one of this engine; raises KeyMaterialError."""
        del threads
        _require_clear(files.compute)
        return cls()

    def execute(self, operation: int, operands: Sequence[Operand], out_type: int) -> bytes:
        """The result in the stored format; raises OperationError."""
        row = coverage.checked(operation, operands, out_type)
        numbers = [_number(operand) for operand in operands]
        encrypted = [operand.fhe_type for operand in operands if isinstance(operand, Encrypted)]
        # The type of the operands is the last one's: the first one of a selection is its control.
        fhe_type = FheType(encrypted[-1] if encrypted else out_type)
        value = arithmetic.result(row, numbers, fhe_type, FheType(out_type))
        return encode(STORED, ClearValue(out_type, value))

    def tally(self) -> Tally:
        """Nothing is compressed here, and there are no look-ups."""
        return Tally()


def _number(operand: Operand) -> arithmetic.Number:
    if isinstance(operand, Encrypted):
        return decode(STORED, operand.ct64, operand.fhe_type)
    return operand.value


class ClearProof(_Timed):
    """Checks input lists."""

    @classmethod
    def open(cls, files: KeyFiles, crs: Path, threads: int = 1) -> Self:
        """Checks that the key set is one of this engine; raises KeyMaterialError."""
        del crs, threads
        _require_clear(files.public)
        return cls()

    def verify(self, raw: bytes, auxiliary: bytes, blob_hash: bytes) -> tuple[Expanded, ...]:
        """The list's values; raises InvalidInput."""
        # the crate seeds its re-randomisation with it; nothing is random here
        del blob_hash
        # The same refusals in the same order as the crate's verification: size, format, count, proof.
        if not 0 < len(raw) <= PROOF_BYTES_MAX:
            raise InvalidInput(f"{len(raw)} bytes, allowed are 1 to {PROOF_BYTES_MAX}")
        if len(raw) < _HEAD_BYTES or not raw.startswith(PROVEN):
            raise InvalidInput("not a list of the clear engine")
        count = int.from_bytes(raw[_HEAD_BYTES - 2 : _HEAD_BYTES], "big")
        if count > VALUES_MAX:
            raise InvalidInput(f"{count} values, at most {VALUES_MAX}")
        values = tuple(_expanded(raw, count))
        # An empty list is valid without a proof: there is nothing that it could prove (zkproof-worker of
        # the protocol).
        if count and raw[4:36] != keccak256(auxiliary):
            raise InvalidInput("verification failed")
        return values


def _expanded(raw: bytes, count: int) -> Iterator[Expanded]:
    at = _HEAD_BYTES
    for _ in range(count):
        fhe_type = int.from_bytes(raw[at : at + 1], "big")
        end = at + 1 + _value_bytes(fhe_type)
        value = int.from_bytes(raw[at + 1 : end], "big")
        # checked before anything is made of it: the bytes come from users
        if end > len(raw) or fhe_type not in TYPE_BITS or value >> TYPE_BITS[FheType(fhe_type)]:
            raise InvalidInput(f"the value at {at} does not fit its type {fhe_type}")
        yield Expanded(fhe_type, encode(STORED, ClearValue(fhe_type, value)))
        at = end
    if at != len(raw):
        raise InvalidInput(f"{len(raw)} bytes for {count} values")


class ClearSquash(_Timed):
    """Relabels stored values as squashed ones."""

    @classmethod
    def open(cls, files: KeyFiles, threads: int = 1) -> Self:
        """Checks that the key set is one of this engine; raises KeyMaterialError."""
        del threads
        _require_clear(files.squash)
        return cls()

    def squash(self, ct64: bytes, fhe_type: int, *, compressed: bool = True) -> bytes:
        """The value in the squashed format, of which there is one only; raises OperationError."""
        del compressed
        return encode(SQUASHED, ClearValue(fhe_type, decode(STORED, ct64, fhe_type)))

    def tally(self) -> Tally:
        """It has nothing to count."""
        return Tally()


def _require_clear(path: Path) -> None:
    try:
        # A service on real keys must never compute in the clear because of a setting: the key file decides.
        found = path.read_bytes()[: len(CLEAR_MAGIC)]
    except OSError as error:
        raise KeyMaterialError(f"{path.name}: {error.strerror}") from error
    if found != CLEAR_MAGIC:
        raise KeyMaterialError(f"{path.name} is not of the clear engine")
