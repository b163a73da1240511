"""What travels on `keysets.v1`, `ciphertexts.v1` and `control.v1`: announcements, never key material."""

import hashlib
from typing import Annotated, Final, Literal

import msgspec

PRIORITY_MAX: Final = 4  # up and down: of two tenants one has 256 times the other's share at most


class KeySetAnnouncement(msgspec.Struct, frozen=True, kw_only=True, tag="keyset"):
    """A key set that the key-fetcher downloaded and checked; key `keyset/<key id hex>`."""

    key_id: bytes
    digest: bytes
    engine: str
    release: str
    urls: tuple[str, ...]
    stored_as: Literal["CompressedXofKeySet", "ServerKey"] = "CompressedXofKeySet"  # folder in a storage
    public_digest: bytes = b""  # of the public key that was activated with it, where it has none in it
    version: int = 1


class CrsAnnouncement(msgspec.Struct, frozen=True, kw_only=True, tag="crs"):
    """A common reference string that the key-fetcher downloaded and checked; key `crs/<crs id hex>`."""

    crs_id: bytes
    digest: bytes
    urls: tuple[str, ...]
    version: int = 1


RESUME: Final = "resume"  # what an operator may say of a halted tenant
SKIP: Final = "skip"
Announcement = KeySetAnnouncement | CrsAnnouncement


class WorkerHeartbeat(msgspec.Struct, frozen=True, kw_only=True, tag="worker"):
    """A live worker; key `worker/<id>`, every 3 s and after each rebalance, a tombstone on stop.

    `key_ids` are the key sets that it can compute its class of work with: whole as far as the class needs it,
    and for proofs with a reference string to go with. It is given items of these key sets alone, so one that
    names none is given nothing but items without a key set. The sender needs no key and names none.
    """

    worker: str
    work_class: str
    slots: int
    engine: str
    key_ids: tuple[bytes, ...]
    partitions: tuple[int, ...]
    at_ms: int
    version: int = 1


class TenantControl(msgspec.Struct, frozen=True, kw_only=True, tag="tenant"):
    """An operator's word about a halted tenant; key `tenant/<tenant>`.

    `skip` names the record that is given up, so that a repeated command never means the one after it.
    """

    tenant: str
    action: str  # RESUME, SKIP
    request: str  # unique, so that a repeated command is told from a repeated read
    version: int = 1
    topic: str = ""
    partition: int = -1
    offset: int = -1
    record: bytes = b""  # its identity: another log may have another record at its place
    reason: str = ""  # of whoever gives it up, kept with it


class AcknowledgedAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm, named with what it said when the operator looked."""

    subject: bytes
    detail_digest: bytes  # of detail_digest()


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True, tag="acknowledgement"):
    """An operator knows of alarms of a tenant; key `acknowledgement/<request>`.

    They are named one by one: what is raised later, or says something else by then, is not meant.
    """

    tenant: str
    kind: str  # of AlarmKind, or divergence_ and the kind of a divergence
    alarms: tuple[AcknowledgedAlarm, ...]
    reason: str
    request: str  # unique, so that a repeated command is told from a repeated read
    version: int = 1


Command = TenantControl | Acknowledgement  # carried out once, by the owner of the tenant's shard


def detail_digest(detail: str) -> bytes:
    """SHA-256 of an alarm's detail; of a divergence's other digest in hex."""
    return hashlib.sha256(detail.encode()).digest()


class Pause(msgspec.Struct, frozen=True, kw_only=True, tag="pause"):
    """Nothing new of a tenant or a work class is dispatched; key `pause/<scope>/<name>`, a tombstone resumes.

    Facts and results are applied as ever, and what is in flight ends.
    """

    scope: Literal["tenant", "class"]
    name: str
    version: int = 1


class FeatureSwitch(msgspec.Struct, frozen=True, kw_only=True, tag="feature"):
    """A feature of domain/features.py; key `feature/<name>`, a tombstone gives its default back."""

    feature: str
    enabled: bool
    version: int = 1


class Priority(msgspec.Struct, frozen=True, kw_only=True, tag="priority"):
    """A tenant's share of a work class, or of all without one; key `priority/<tenant>[/<class>]`.

    Each step doubles it, as against tenants that wait for the same workers. A tombstone makes it 0 again.
    """

    tenant: str
    value: Annotated[int, msgspec.Meta(ge=-PRIORITY_MAX, le=PRIORITY_MAX)]
    work_class: str = ""
    version: int = 1


Control = WorkerHeartbeat | Command | Pause | FeatureSwitch | Priority


class CiphertextAnnouncement(msgspec.Struct, frozen=True, kw_only=True, tag="ciphertext"):
    """Where a handle's objects are; key `tenant/handle`."""

    tenant: str
    handle: bytes
    fhe_type: int
    key_id: bytes
    ct64_digest: bytes
    ct128_digest: bytes
    format: int
    version: int = 1
