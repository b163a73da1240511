"""The folder of one devnet: its settings file, its secrets, its keys, and where everything else lies.

`.cipherstream/` by default. Private keys are in `secrets/`, files of mode 0600; the client key is below it
in `secrets/keys/`, a folder that no service takes for its key directory.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from streams.devnet.contracts import Deployment
from streams.domain.errors import ConfigurationError
from streams.fhe.keyset import SECRETS

Scalar = str | int | float | bool
Table = Mapping[str, "Scalar | Sequence[Scalar]"]


class State(msgspec.Struct, frozen=True):
    """Paths below the folder of a devnet."""

    root: Path

    @property
    def settings_file(self) -> Path:
        return self.root / "devnet.toml"

    @property
    def deployment_file(self) -> Path:
        return self.root / "deployment.json"

    @property
    def secrets(self) -> Path:
        return self.root / SECRETS

    @property
    def sender_key_file(self) -> Path:
        return self.secrets / "sender.key"

    @property
    def signer_key_file(self) -> Path:
        return self.secrets / "signer.key"

    @property
    def object_store_key_file(self) -> Path:
        return self.secrets / "object-store.key"

    @property
    def client_keys(self) -> Path:
        return self.secrets / "keys"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def write_secret(self, path: Path, secret: bytes) -> None:
        """A file in a folder that only its owner reads, complete or absent."""
        self.secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_private(path, secret)

    def write_settings(self, tables: Mapping[str, Table | Sequence[Table]]) -> None:
        """The settings file of this devnet; it holds the database's password, so only its owner reads it."""
        _write_private(self.settings_file, to_toml(tables).encode())

    def write_deployment(self, deployment: Deployment) -> None:
        """Addresses of the contracts, for the commands of the devnet."""
        _write_private(self.deployment_file, msgspec.json.encode(deployment))

    def deployment(self) -> Deployment:
        """Addresses of the contracts; raises ConfigurationError before `devnet up`."""
        try:
            return msgspec.json.decode(self.deployment_file.read_bytes(), type=Deployment)
        except FileNotFoundError:
            raise ConfigurationError(
                f"no devnet runs in {self.root}; start one: cipherstream devnet up"
            ) from None

    def forget(self) -> None:
        """Remove the settings file, so that no command takes a stopped devnet for a running one."""
        self.settings_file.unlink(missing_ok=True)


def to_toml(tables: Mapping[str, Table | Sequence[Table]]) -> str:
    """Tables of scalars and lists, and lists of such tables, as TOML."""
    lines: list[str] = []
    for name, value in tables.items():
        if isinstance(value, Mapping):
            lines += [f"[{name}]", *_entries(value), ""]
            continue
        for table in value:
            lines += [f"[[{name}]]", *_entries(table), ""]
    return "\n".join(lines)


def _entries(table: Table) -> list[str]:
    return [f"{key} = {_literal(value)}" for key, value in table.items()]


def _literal(value: Scalar | Sequence[Scalar]) -> str:
    # JSON's strings, numbers, booleans and arrays of them are TOML too.
    return msgspec.json.encode(value).decode()


def _write_private(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(body)
    draft.rename(path)
