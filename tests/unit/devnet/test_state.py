import stat
import tomllib
from pathlib import Path

import pytest

from streams.adapters.key_store import key_directory
from streams.devnet import activation, state
from streams.devnet.contracts import Deployment
from streams.devnet.state import State
from streams.domain.errors import ConfigurationError
from streams.settings import KeysSettings, load_settings

DEPLOYMENT = Deployment(
    host_chain_id=12345,
    gateway_chain_id=54321,
    **{name: bytes([number]) * 20 for number, name in enumerate(Deployment.__struct_fields__[2:], 1)},
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_for_its_owner_only(tmp_path: Path) -> None:
    devnet = State(tmp_path / "devnet")
    devnet.write_secret(devnet.sender_key_file, b"11" * 32)
    assert mode(devnet.sender_key_file) == 0o600
    assert mode(devnet.secrets) == 0o700


def test_a_secret_can_be_replaced(tmp_path: Path) -> None:
    devnet = State(tmp_path)
    devnet.write_secret(devnet.signer_key_file, b"a")
    devnet.write_secret(devnet.signer_key_file, b"b")
    assert devnet.signer_key_file.read_bytes() == b"b"
    assert list(devnet.secrets.iterdir()) == [devnet.signer_key_file]


def test_no_service_takes_the_folder_of_the_client_key_or_one_around_it(tmp_path: Path) -> None:
    devnet = State(tmp_path / "devnet")
    for folder in (devnet.client_keys, devnet.secrets, devnet.client_keys / "public"):
        with pytest.raises(ConfigurationError, match="secret keys are kept"):
            key_directory(KeysSettings(directory=folder))
    beside = devnet.root / "keys"
    assert key_directory(KeysSettings(directory=devnet.root)) == devnet.root
    devnet.write_secret(activation.client_key_file(devnet), b"secret")
    with pytest.raises(ConfigurationError, match="secret keys are kept"):
        key_directory(KeysSettings(directory=devnet.root))
    assert key_directory(KeysSettings(directory=beside)) == beside


def test_the_settings_file_is_one_that_services_read(tmp_path: Path) -> None:
    devnet = State(tmp_path)
    address = "0x" + "ab" * 20
    host: state.Table = {"id": 1, "http_url": "http://x", "acl_address": address, "executor_address": address}
    devnet.write_settings(
        {"postgres": {"url": "postgresql://a:b@c/d"}, "host_chain": [host, {**host, "id": 2}]}
    )
    assert mode(devnet.settings_file) == 0o600
    settings = load_settings(devnet.settings_file)
    assert settings.postgres.url.get_secret_value() == "postgresql://a:b@c/d"
    assert [chain.id for chain in settings.host_chain] == [1, 2]


def test_toml_of_every_kind_of_value() -> None:
    tables = {"a": {"text": 'quo"te\\ \u00e9', "number": 3, "share": 0.25, "yes": True, "list": [1, 2]}}
    assert tomllib.loads(state.to_toml(tables)) == tables


def test_a_stopped_devnet_is_no_running_one(tmp_path: Path) -> None:
    devnet = State(tmp_path)
    devnet.write_settings({"kafka": {"bootstrap": "x"}})
    devnet.forget()
    devnet.forget()
    assert not devnet.settings_file.exists()


def test_addresses_are_found_again(tmp_path: Path) -> None:
    devnet = State(tmp_path)
    devnet.write_deployment(DEPLOYMENT)
    assert devnet.deployment() == DEPLOYMENT


def test_without_a_devnet_the_command_that_helps_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="devnet up"):
        State(tmp_path).deployment()
