"""A gateway, as the bench's transfers see it: requests for amounts, answers, the commits of all operators."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from streams.adapters.ethereum.abi import encode_arguments
from streams.bench import traffic
from streams.domain.digest import event_topic
from streams.domain.facts import GatewayLog, GatewayRange, Log
from streams.domain.handle import is_computed
from streams.domain.work import AddMaterial

CHAIN: Final = 54321
OWN: Final = b"\1" * 20  # our sender's address
PROOF_BYTES: Final = 18_842  # of an encrypted list of three values with its proof, as recorded for the tests
SIGNATURE_BYTES: Final = 65
EXTRA: Final = b"\0"
_CONTRACT: Final = b"\2" * 20
_USER: Final = b"\3" * 20
_REQUEST: Final = event_topic("VerifyProofRequest(uint256,uint256,address,address,bytes,bytes)")
_ACCEPTED: Final = event_topic("VerifyProofResponse(uint256,bytes32[],bytes[])")
_COMMIT: Final = event_topic("AddCiphertextMaterial(bytes32,uint256,bytes32,bytes32,address)")
_AGREED: Final = event_topic("AddCiphertextMaterialConsensus(bytes32,uint256,bytes32,bytes32,address[])")


def noise(name: bytes, size_bytes: int) -> bytes:
    """Bytes that do not compress, as those of ciphertexts and proofs."""
    return hashlib.shake_128(name).digest(size_bytes)


def amount(serial: int) -> bytes:
    """The input of a transfer that its user encrypted; the others are balances."""
    return next(handle for handle in traffic.inputs(serial) if not is_computed(handle))


class Gateway:
    """Ranges of one block, each above the one before, with the events of so many operators."""

    def __init__(self, operators: int) -> None:
        self._senders = [OWN, *(noise(b"operator%d" % number, 20) for number in range(1, operators))]
        self._number = 0

    def requests(self, serials: Iterable[int]) -> GatewayRange:
        """Users ask for the amounts of these transfers to be verified."""
        types = ("address", "address", "bytes", "bytes")
        return self._range(
            _log(
                (_REQUEST, _word(serial), _word(traffic.CHAIN)),
                types,
                (_CONTRACT, _USER, noise(b"proof%d" % serial, PROOF_BYTES), EXTRA),
            )
            for serial in serials
        )

    def answers(self, serials: Iterable[int]) -> GatewayRange:
        """Enough operators accepted those amounts."""
        signatures = [noise(sender, SIGNATURE_BYTES) for sender in self._senders]
        return self._range(
            _log((_ACCEPTED, _word(serial)), ("bytes32[]", "bytes[]"), ([amount(serial)], signatures))
            for serial in serials
        )

    def commits(self, calls: Sequence[AddMaterial]) -> list[GatewayRange]:
        """Every operator commits what we do, each in blocks of its own; the last makes it enough."""
        ranges = [self._range(_commit(call, sender) for call in calls) for sender in self._senders]
        return [*ranges, self._range(_agreed(call, self._senders) for call in calls)]

    def _range(self, logs: Iterable[Log]) -> GatewayRange:
        start, self._number = self._number, self._number + 1
        end = _hash(self._number)
        return GatewayRange(
            chain_id=CHAIN,
            from_block=start,
            from_hash=_hash(start),
            to_block=self._number,
            to_hash=end,
            logs=tuple(GatewayLog(block_number=self._number, block_hash=end, log=log) for log in logs),
            to_timestamp=self._number,
            anchor=start == 0,
        )


def _commit(call: AddMaterial, sender: bytes) -> Log:
    said = (call.key_id, call.ct64_digest, call.ct128_digest, sender)
    return _log((_COMMIT, call.handle), ("bytes32", "bytes32", "bytes32", "address"), said)


def _agreed(call: AddMaterial, senders: Sequence[bytes]) -> Log:
    said = (call.key_id, call.ct64_digest, call.ct128_digest, senders)
    return _log((_AGREED, call.handle), ("bytes32", "bytes32", "bytes32", "address[]"), said)


def _log(topics: tuple[bytes, ...], types: Iterable[str], values: Iterable[object]) -> Log:
    data = encode_arguments(types, values)
    transaction = hashlib.sha256(b"".join(topics)).digest()
    return Log(address=_CONTRACT, topics=topics, data=data, transaction_hash=transaction, log_index=0)


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _hash(number: int) -> bytes:
    return hashlib.sha256(b"gateway" + _word(number)).digest()
