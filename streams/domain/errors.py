"""Every error that crosses a module, one class per decision the caller can take.

CipherstreamError
├── Recoverable            try again later: `uncomputable_counter` + 1, next after 1 s, 2 s … 32,000 s
│   ├── RpcError           a chain's node did not answer, or answered an error
│   ├── BrokerError        Kafka refused or lost a request
│   ├── StoreError         Postgres is away
│   │   └── TransactionTooLong it ended a transaction for its length: fewer records in the next one
│   ├── BlobError          the object store is away or an object is not there yet
│   ├── KeyMissing         the key set that an item names is not on this machine yet
│   │   ├── KeyPartMissing it is, without the part that this class of work needs
│   │   └── KeyUnderived   it is, and this machine could not derive its files by purpose
│   ├── DeviceExhausted    a GPU has no memory for a batch
│   ├── DeviceDistrusted   a device answers wrongly and is out of service: others compute this again
│   └── WorkerCrashed      the process that computed died, hung or ran out of memory
├── Irrecoverable          the component fails, dependents are blocked with the cause, dead letter
│   ├── OperationError     unknown operation, wrong operands, division by zero, cycle
│   ├── KeyMismatch        an input is of another key set than the operation that uses it
│   ├── InvalidInput       an encrypted input or its proof is not valid: a vote to reject
│   ├── Undecodable        bytes that are not what their place says
│   │   └── UndecodableLog
│   ├── FactTooLarge       a fact too large to decide over: halts its tenant, is not parked
│   ├── RecordTooHeavy     not even a long transaction sufficed for this record alone: halts its tenant
│   ├── NotSkippable       a record that an operator cannot give up: its tenant stays halted
│   └── CallReverted       a contract refused the call for good
└── Fatal                  the process stops with this message
    ├── ConfigurationError
    │   └── DeviceMissing   the engine, or this machine, does not have the device that is asked for
    ├── DevicesLost        no device of this worker answers rightly: another worker computes this
    ├── ForeignRelease     a contract of the gateway is of a release that this version does not speak
    ├── KeyMaterialError   a key file is cut, foreign or of another release
    ├── LogTruncated       the topic starts beyond, or ends below, the stored offset, or is another topic
    └── IllegalTransition  a life cycle was asked for a change that it does not have
Fenced                     another owner has the shard: drop it (neither a failure nor a retry)
"""

from typing import ClassVar


class CipherstreamError(Exception):
    """Something went wrong in cipherstream."""

    category: ClassVar[str] = "irrecoverable"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0])


class Recoverable(CipherstreamError):
    """This may succeed later; nothing was lost."""

    category = "recoverable"


class RpcError(Recoverable):
    """The chain's node did not answer or answered with an error."""


class BrokerError(Recoverable):
    """Kafka refused or lost a request."""


class StoreError(Recoverable):
    """The database is away or asked to repeat the transaction."""


class TransactionTooLong(StoreError):
    """The database ended a transaction that took too long."""


class BlobError(Recoverable):
    """The object store is away, or an object is not there yet."""


class KeyMissing(Recoverable):
    """The key set that this item names is not on this machine yet."""


class KeyPartMissing(KeyMissing):
    """The key set has not the part that this class of work needs."""


class KeyUnderived(KeyMissing):
    """This machine could not derive the key set's files: short memory or disk, no wheel, or a failure."""


class DeviceExhausted(Recoverable):
    """The GPU has no memory for this batch."""


class DeviceDistrusted(Recoverable):
    """A device does not answer rightly and is out of service; what it computed is computed again."""


class WorkerCrashed(Recoverable):
    """The process that computed this item died, hung or ran out of memory."""


class Irrecoverable(CipherstreamError):
    """Repeating this cannot help."""


class OperationError(Irrecoverable):
    """The operation cannot be computed: unknown code, wrong operands or a cycle."""


class KeyMismatch(Irrecoverable):
    """An input is encrypted under another key set than the one that the operation uses."""


class InvalidInput(Irrecoverable):
    """The encrypted input or its proof is not valid."""


class Undecodable(Irrecoverable):
    """These bytes are not what their place says they are."""


class UndecodableLog(Undecodable):
    """This log does not have the shape that its topic promises."""


class FactTooLarge(Irrecoverable):
    """This fact is larger than a decision may take."""


class RecordTooHeavy(Irrecoverable):
    """The database ended a long transaction that was given to this record alone."""


class NotSkippable(Irrecoverable):
    """Without this record, what comes after it would be computed otherwise than by everybody else."""


class CallReverted(Irrecoverable):
    """The contract refused this call for good."""


class Fatal(CipherstreamError):
    """The process cannot go on."""

    category = "fatal"


class ConfigurationError(Fatal):
    """A setting is missing or wrong."""


class DeviceMissing(ConfigurationError):
    """The engine, or this machine, does not have the device that is asked for."""


class DevicesLost(Fatal):
    """No device of this worker answers rightly."""


class ForeignRelease(Fatal):
    """A contract of the gateway is of a release that this version does not speak."""


class KeyMaterialError(Fatal):
    """A key file is cut short, foreign or of another release."""


class LogTruncated(Fatal):
    """The log no longer holds the record that this shard needs next."""


class IllegalTransition(Fatal):
    """A life cycle was asked for a change that it does not have."""


class Fenced(CipherstreamError):
    """Another owner has claimed this shard."""

    category = "fenced"
