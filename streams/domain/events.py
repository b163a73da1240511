"""Raw logs into typed events: the one entry for everything that a chain emits.

Tables by contract let a caller read only what comes from the right address; `decode_log` knows them all.
"""

from typing import Final

from streams.domain.gateway_events import (
    COMMIT_DECODERS,
    CONFIG_DECODERS,
    INPUT_VERIFICATION_DECODERS,
    RIGHT_DECODERS,
    VERIFY_PROOF_REQUEST_TOPIC,
    AccountAllowed,
    AddCiphertextMaterial,
    AddCiphertextMaterialConsensus,
    AddHostChain,
    Coprocessor,
    DisableHostChain,
    EnableHostChain,
    GatewayEvent,
    PublicDecryptAllowed,
    RejectProofResponse,
    RejectProofResponseCall,
    RemoveHostChain,
    UpdateCoprocessors,
    UpdateCoprocessorThreshold,
    VerifyProofRequest,
    VerifyProofResponse,
    VerifyProofResponseCall,
)
from streams.domain.host_events import (
    ACL_DECODERS,
    BRIDGE_DECODERS,
    EXECUTOR_DECODERS,
    KMS_DECODERS,
    AccountBlocked,
    AccountUnblocked,
    ActivateCrs,
    ActivateKey,
    Allowed,
    AllowedForDecryption,
    BridgeHandle,
    DecryptionSignaturesInvalidated,
    DelegatedForUserDecryption,
    FallbackGranted,
    HandleBridged,
    HostDecoder,
    HostEvent,
    InputVerified,
    KeyDigest,
    OperationEvent,
    RevokedDelegationForUserDecryption,
    Topics,
)

__all__ = [
    "ACL_TOPICS",
    "BRIDGE_TOPICS",
    "COMMIT_TOPICS",
    "CONFIG_TOPICS",
    "EXECUTOR_TOPICS",
    "HOST_TOPICS",
    "INPUT_VERIFICATION_TOPICS",
    "KMS_TOPICS",
    "RIGHT_TOPICS",
    "VERIFY_PROOF_REQUEST_TOPIC",
    "AccountAllowed",
    "AccountBlocked",
    "AccountUnblocked",
    "ActivateCrs",
    "ActivateKey",
    "AddCiphertextMaterial",
    "AddCiphertextMaterialConsensus",
    "AddHostChain",
    "Allowed",
    "AllowedForDecryption",
    "BridgeHandle",
    "Coprocessor",
    "DecryptionSignaturesInvalidated",
    "DelegatedForUserDecryption",
    "DisableHostChain",
    "EnableHostChain",
    "Event",
    "FallbackGranted",
    "GatewayEvent",
    "HandleBridged",
    "HostEvent",
    "InputVerified",
    "KeyDigest",
    "OperationEvent",
    "PublicDecryptAllowed",
    "RejectProofResponse",
    "RejectProofResponseCall",
    "RemoveHostChain",
    "RevokedDelegationForUserDecryption",
    "Topics",
    "UpdateCoprocessorThreshold",
    "UpdateCoprocessors",
    "VerifyProofRequest",
    "VerifyProofResponse",
    "VerifyProofResponseCall",
    "decode_gateway_log",
    "decode_host_log",
    "decode_log",
]

Event = HostEvent | GatewayEvent

EXECUTOR_TOPICS: Final = frozenset(EXECUTOR_DECODERS)
ACL_TOPICS: Final = frozenset(ACL_DECODERS)
KMS_TOPICS: Final = frozenset(KMS_DECODERS)
BRIDGE_TOPICS: Final = frozenset(BRIDGE_DECODERS)
INPUT_VERIFICATION_TOPICS: Final = frozenset(INPUT_VERIFICATION_DECODERS)
COMMIT_TOPICS: Final = frozenset(COMMIT_DECODERS)
CONFIG_TOPICS: Final = frozenset(CONFIG_DECODERS)
RIGHT_TOPICS: Final = frozenset(RIGHT_DECODERS)

_HOST: Final[dict[bytes, HostDecoder]] = EXECUTOR_DECODERS | ACL_DECODERS | KMS_DECODERS | BRIDGE_DECODERS
HOST_TOPICS: Final = frozenset(_HOST)
_GATEWAY: Final = INPUT_VERIFICATION_DECODERS | COMMIT_DECODERS | CONFIG_DECODERS | RIGHT_DECODERS


def decode_host_log(topics: Topics, data: bytes) -> HostEvent | None:
    """An event of the executor, access list, key contract or bridge; None for any other topic.

    Raises:
        UndecodableLog: the topic is known and the rest is not what it promises.
    """
    decoder = _HOST.get(topics[0]) if topics else None
    return None if decoder is None else decoder(topics, data)


def decode_gateway_log(topics: Topics, data: bytes) -> GatewayEvent | None:
    """An event of the gateway's contracts; None for any other topic.

    Raises:
        UndecodableLog: the topic is known and the rest is not what it promises.
    """
    decoder = _GATEWAY.get(topics[0]) if topics else None
    return None if decoder is None else decoder(topics, data)


def decode_log(topics: Topics, data: bytes) -> Event | None:
    """An event of either chain; None for a topic that is nobody's.

    Raises:
        UndecodableLog: the topic is known and the rest is not what it promises.
    """
    event = decode_host_log(topics, data)
    return decode_gateway_log(topics, data) if event is None else event
