"""Settings of every service: defaults < TOML < environment < flags, read once at the edge.

The file is the first that exists of `--config`, `CIPHERSTREAM_CONFIG`, `./cipherstream.toml` and
`.cipherstream/devnet.toml`. A variable is `CIPHERSTREAM_<SECTION>__<KEY>`. Keys come from files or from
the environment and are never printed.
"""

import logging
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast, get_args
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from streams.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_SECRET_PROPERTY: Final = re.compile(r"password|secret|token|key\.pem", re.IGNORECASE)
DEVNET_FILE: Final = Path(".cipherstream/devnet.toml")


def _address(value: str) -> str:
    if len(value) != 42 or not value.startswith("0x") or not _is_hex(value[2:]):
        raise ValueError("an address is 0x and 40 hexadecimal digits")
    return value


def _is_hex(text: str) -> bool:
    return all(digit in "0123456789abcdefABCDEF" for digit in text)


def _log_level(value: str) -> str:
    if value.upper() not in logging.getLevelNamesMapping():
        raise ValueError("a level is debug, info, warning, error or critical")
    return value


Address = Annotated[str, AfterValidator(_address)]
LogLevel = Annotated[str, AfterValidator(_log_level)]
Schedule = Literal["MAX_PARALLELISM", "MAX_LOCALITY"]
DEFAULT_SCHEDULE: Final = "MAX_PARALLELISM"


class Section(BaseModel):
    """A table of the settings file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(Section):
    """`prefix` goes before topics and groups, so that several coprocessors share a broker.

    `security` holds properties of the client library, a password among them perhaps, so none is shown.
    """

    bootstrap: str = "127.0.0.1:9092"
    prefix: str = ""
    session_timeout_s: float = Field(default=45.0, ge=6)  # then a silent graph worker's shards move
    security: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])

    def properties(self) -> dict[str, str]:
        """`security` in the clear, for a client of the broker."""
        return {name: value.get_secret_value() for name, value in self.security.items()}


class PostgresSettings(Section):
    """`url` may also come as DATABASE_URL."""

    url: SecretStr = SecretStr("postgresql://postgres@127.0.0.1:5432/coprocessor")
    schema_name: str = Field(default="public", alias="schema")


class ObjectStoreSettings(Section):
    """Ciphertexts go to `bucket` (or one each); they are readable without credentials."""

    endpoint: str = ""
    region: str = "us-east-1"
    bucket: str = "coprocessor"
    bucket_ct64: str = ""
    bucket_ct128: str = ""
    bucket_work: str = ""  # claim checks of work messages
    access_key: str = ""
    secret_key_file: Path | None = None
    public_url: str = ""  # root of the bucket for anonymous readers

    def ct64(self) -> str:
        return self.bucket_ct64 or self.bucket

    def ct128(self) -> str:
        return self.bucket_ct128 or self.bucket

    def work(self) -> str:
        return self.bucket_work or self.bucket


class HostChainSettings(Section):
    """One chain whose contracts compute on encrypted values."""

    id: int = Field(ge=1, lt=2**63)  # what a handle and a column hold
    http_url: str
    ws_url: str = ""
    acl_address: Address
    executor_address: Address
    input_verifier_address: Address | None = None
    kms_generation_address: Address | None = None  # set on the canonical chain only
    bridge_address: Address | None = None  # its events are stored and shown, nothing is bridged
    start_block: int = 0
    finality_lag: int = 15
    poll_interval_ms: int = Field(default=6000, ge=50)  # between looks; with `ws_url` heads are told at once
    reorg_depth_max: int = Field(default=50, ge=1, le=10_000)  # blocks
    logs_bloom: bool = True  # false where headers have no true logs blooms: then lost logs are not noticed


class GatewaySettings(Section):
    """The chain that coordinates coprocessors and decryption."""

    chain_id: int = 54321
    http_url: str = ""
    ws_url: str = ""
    input_verification_address: Address | None = None
    ciphertext_commits_address: Address | None = None
    gateway_config_address: Address | None = None
    decryption_address: Address | None = None
    multichain_acl_address: Address | None = None
    start_block: int = 0
    confirmations: int = 1  # blocks above a receipt until a transaction is final for the sender
    poll_interval_s: float = Field(default=0.5, gt=0)
    reorg_ranges_max: int = Field(default=256, ge=2, le=16_384)  # of a tenant's log, a second or more each
    drift_no_consensus_timeout_s: int = Field(default=300, ge=1)  # from the first commit of a handle
    drift_post_consensus_grace_s: int = Field(default=300, ge=1)  # for the operators that are not in it
    logs_bloom: bool = True


class KeyFileSettings(Section):
    """A private key is read from this file (or from the environment), never from the settings file."""

    private_key_file: Path | None = None
    private_key: SecretStr | None = None  # from the environment only


class SenderSettings(KeyFileSettings):
    """`address` is the public one of the key: by it the graph knows our own transactions on the gateway.

    `postgres_url` is of a role that reaches the sender's tables only; without it the graph's is used.
    """

    address: Address | None = None
    postgres_url: SecretStr | None = None
    calls_max: int = Field(default=16, ge=1, le=256)  # under way at once, on consecutive nonces
    gas_percent: int = Field(default=120, ge=100)  # of the estimate: votes in between change the cost
    data_bytes_max: int = Field(
        default=90_000, ge=1_000
    )  # of a call: nodes take transactions of 95,000 bytes
    fee_cap_gwei: float = Field(default=500.0, gt=0)  # per gas; beyond it an alarm, not a transaction
    fee_raise_percent: float = Field(default=12.5, ge=10)  # nodes want 10 at least, on both fees
    replace_after_blocks: int = Field(default=10, ge=1)  # for the first in line
    review_blocks: int = Field(default=1024, ge=1)  # below the head, what was made is looked at again
    verify_proof_retries_max: int = Field(default=6, ge=1)  # refusals after which a call is given up
    add_material_retries_max: int = Field(default=2**31 - 1, ge=1)
    drain_s: float = Field(default=8.0, ge=0, le=25)  # for calls under way when told to stop


WINDOW_MAX: Final = 1024  # each item has a thread of the child
SQUASHES_MAX: Final = 64  # the parent holds each until it is uploaded


class EngineSettings(Section):
    """What computes; a network uses one engine."""

    name: Literal["tfhe-rs", "wave", "clear"] = "tfhe-rs"
    device: Literal["auto", "cpu", "cuda", "concrete", "reference"] = "auto"
    workers: int = Field(default=0, ge=0)  # threads of a worker's child; 0 = as the next one says
    coprocessor_fhe_threads: int = Field(default=32, ge=1)  # at most, and no more than there are cores
    # Items of a tfhe-worker with `wave`; 0 = 8 for each thread, on GPUs 256 for each.
    window: int = Field(default=0, ge=0, le=WINDOW_MAX)
    known_answer_every: int = Field(
        default=16, ge=1
    )  # batches of look-ups of a device of `wave` with one question among them
    key_cache_size: int = Field(default=32, ge=1)  # key sets open at a time, at most; memory may allow fewer
    memory_mib: int = Field(default=0, ge=0)  # bound of a worker's child; 0 = that of its class
    gpu_enabled: bool = False
    schedule: Schedule = DEFAULT_SCHEDULE


class ZkproofSettings(Section):
    """zkproof-worker; the names are those of the existing operators' flags."""

    worker_thread_count: int = Field(default=8, ge=1)  # proofs at a time, at most one for each thread
    key_cache_size: int = Field(default=100, ge=1)  # as in [engine], of pairs of key set and CRS


class SnsSettings(Section):
    """sns-worker, under the names that operators of the existing coprocessor know."""

    # Ciphertexts at a time; 0 = 4, on GPUs 32 for each.
    work_items_batch_size: int = Field(default=0, ge=0, le=SQUASHES_MAX)
    schedule_policy: Literal["rayon_parallel", "sequential"] = "rayon_parallel"
    enable_compression: bool = True  # objects of format 11; without it of format 10, which are larger
    s3_max_concurrent_uploads: int = Field(default=100, ge=1, le=1000)
    s3_recheck_duration_s: float = Field(default=2.0, gt=0)  # until an upload that failed is tried again


class GraphSettings(Section):
    """How the graph service goes about its queue; the names are those of the existing operators' flags."""

    work_items_batch_size: int = Field(default=100, ge=1)  # items that one turn of a shard publishes
    dependence_chains_per_batch: int = Field(default=20, ge=1)  # of them, those that compute a component
    dependent_ops_max_per_chain: int = Field(default=0, ge=0)  # more go slowly; 0 = none does
    worker_polling_interval_ms: int = Field(default=1000, ge=10)  # what is new goes out without it


class KeysSettings(Section):
    """Where key sets by purpose are kept on this machine."""

    directory: Path | None = None  # default: the user's cache directory
    url: str = ""  # overrides the storage URLs of activation events


class DevnetSettings(Section):
    """Chains on which the `clear` engine is allowed."""

    chains: tuple[int, ...] = ()


class ServiceSettings(Section):
    """The process itself."""

    http_host: str = "127.0.0.1"
    http_port: int = 0  # 0 = any free one; the log says which
    tokio_threads: int = Field(default=4, ge=1)  # beside the event loop, for calls that block
    log_level: LogLevel = "info"
    # Of a worker; default: host and process. Results name it in 200 characters, perhaps with what it serves.
    id: str = Field(default="", max_length=160)


class TracingSettings(Section):
    """Where spans go; nowhere without an endpoint, the address of an OTLP collector that speaks HTTP."""

    endpoint: str = ""  # also OTEL_EXPORTER_OTLP_ENDPOINT
    ratio: float = Field(default=1.0, ge=0, le=1)  # of the traces, the same ones in all services

    @field_validator("endpoint")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("an endpoint is http://… or https://…")
        return value


class Settings(BaseSettings):
    """Everything that a service may be told."""

    model_config = SettingsConfigDict(
        env_prefix="CIPHERSTREAM_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    kafka: KafkaSettings = KafkaSettings()
    postgres: PostgresSettings = PostgresSettings()
    object_store: ObjectStoreSettings = ObjectStoreSettings()
    host_chain: tuple[HostChainSettings, ...] = ()
    gateway: GatewaySettings = GatewaySettings()
    sender: SenderSettings = SenderSettings()
    signer: KeyFileSettings = KeyFileSettings()
    engine: EngineSettings = EngineSettings()
    zkproof: ZkproofSettings = ZkproofSettings()
    sns: SnsSettings = SnsSettings()
    graph: GraphSettings = GraphSettings()
    keys: KeysSettings = KeysSettings()
    devnet: DevnetSettings = DevnetSettings()
    service: ServiceSettings = ServiceSettings()
    tracing: TracingSettings = TracingSettings()

    @field_validator("host_chain")
    @classmethod
    def _one_entry_for_each_chain(
        cls, chains: tuple[HostChainSettings, ...]
    ) -> tuple[HostChainSettings, ...]:
        """What comes from the gateway names a chain by its id, and keys are activated in one place."""
        ids = [chain.id for chain in chains]
        if twice := {chain for chain in ids if ids.count(chain) > 1}:
            raise ValueError(f"chain {', '.join(map(str, sorted(twice)))} has more than one entry")
        canonical = [chain.id for chain in chains if chain.kms_generation_address is not None]
        if len(canonical) > 1:
            raise ValueError(f"kms_generation_address belongs to one chain, and {canonical} have one")
        return chains

    def sender_postgres(self) -> PostgresSettings:
        """The database as transaction-sender connects to it: the same schema, in a role of its own."""
        url = self.sender.postgres_url
        return self.postgres if url is None else self.postgres.model_copy(update={"url": url})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings  # the file comes in as init arguments


def settings_file(config: Path | None) -> Path | None:
    """The settings file that counts; raises ConfigurationError when a named one is missing."""
    named = config or (
        Path(os.environ["CIPHERSTREAM_CONFIG"]) if "CIPHERSTREAM_CONFIG" in os.environ else None
    )
    if named is not None:
        if not named.is_file():
            raise ConfigurationError(f"there is no settings file {named}")
        return named
    return next((path for path in (Path("cipherstream.toml"), DEVNET_FILE) if path.is_file()), None)


_SCHEDULE: Final = "FHEVM_DF_SCHEDULE"
# Names that operators of the existing coprocessor already set.
_ALIASES: Final = {
    "DATABASE_URL": ("postgres", "url"),
    "S3_BUCKET": ("object_store", "bucket"),
    "WORKER_COUNT": ("engine", "workers"),
    "GPU_ENABLED": ("engine", "gpu_enabled"),
    _SCHEDULE: ("engine", "schedule"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("tracing", "endpoint"),
}


def load_settings(config: Path | None = None) -> Settings:
    """Read file and environment into one frozen object; raises ConfigurationError naming the key."""
    path = settings_file(config)
    tables = _tables(path) if path else {}
    try:
        return Settings(**_with_aliases(tables))
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, e['loc']))}: {_complaint(e)}" for e in error.errors())
        raise ConfigurationError(f"{path or 'settings'}: {places}") from None
    except SettingsError as error:  # its cause shows the variable's value
        raise ConfigurationError(f"environment: {error}") from None


def _tables(path: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    if any("private_key" in _table(tables, section) for section in ("sender", "signer")):
        raise ConfigurationError(f"{path}: a private key belongs in a file of its own or the environment")
    return tables


def _with_aliases(tables: dict[str, Any]) -> dict[str, Any]:
    given = dict(tables)
    for variable, (section, key) in _ALIASES.items():
        if variable in os.environ and isinstance(given.get(section, {}), dict):
            given[section] = {**_table(given, section), key: _said(variable)}
    return given


def _said(variable: str) -> str:
    # as the existing coprocessor has it: what is no schedule means the default, and stops nobody
    if variable == _SCHEDULE and unknown_schedule() is not None:
        return DEFAULT_SCHEDULE
    return os.environ[variable]


def unknown_schedule() -> str | None:
    """What FHEVM_DF_SCHEDULE says where that is no schedule: the graph warns, and takes the default."""
    said = os.environ.get(_SCHEDULE, DEFAULT_SCHEDULE)
    return None if said in get_args(Schedule) else said


def _table(tables: dict[str, Any], section: str) -> dict[str, Any]:
    """A section; empty where it is missing or no table, which the validation names."""
    found = tables.get(section)
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:  # it holds the bytes, of a key perhaps
        raise ConfigurationError(f"{path} is not UTF-8 text") from None


def _complaint(error: "ErrorDetails") -> str:
    return "no setting of this version" if error["type"] == "extra_forbidden" else error["msg"]


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Secrets that the settings themselves hold, so that logs can be kept free of them."""
    kafka = settings.kafka.properties().items()
    given = (section.private_key for section in (settings.sender, settings.signer))
    urls = filter(None, (settings.postgres.url, settings.sender.postgres_url))
    return (
        *(value for name, value in kafka if _SECRET_PROPERTY.search(name)),
        *(key.get_secret_value() for key in given if key is not None),
        *filter(None, (unquote(urlsplit(url.get_secret_value()).password or "") for url in urls)),
    )


def read_private_key(settings: KeyFileSettings, variable: str) -> SecretStr:
    """A key from its file or from the named variable; raises ConfigurationError when both are missing."""
    if settings.private_key is not None:
        return settings.private_key
    if settings.private_key_file is None:
        raise ConfigurationError(f"set private_key_file or {variable}")
    return SecretStr(_text(settings.private_key_file).strip())
