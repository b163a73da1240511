"""docker-compose.yml and Dockerfile say what the command line and the settings know. Nothing is started."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.commands import machine, services
from streams.devnet import kafka, object_store, postgres
from streams.services.runtime import DRAIN_S
from streams.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
PARTS = {"kafka", "postgres", "objects"}
JOBS = {"topics", "tables", "bucket"}
BEFORE_TABLES = {"roles"}


class Healthcheck(msgspec.Struct, forbid_unknown_fields=True):
    test: list[str]
    interval: str
    timeout: str
    retries: int
    start_period: str = "0s"


class Dependency(msgspec.Struct, forbid_unknown_fields=True):
    condition: str


class Service(msgspec.Struct, forbid_unknown_fields=True):
    image: str
    build: str = ""
    command: list[str] = []
    entrypoint: list[str] = []
    environment: dict[str, str] = {}
    depends_on: dict[str, Dependency] = {}
    healthcheck: Healthcheck | None = None
    restart: str = "no"
    stop_grace_period: str = "10s"
    volumes: list[str] = []
    secrets: list[str] = []


class SecretFile(msgspec.Struct, forbid_unknown_fields=True):
    file: str


class Compose(msgspec.Struct, forbid_unknown_fields=True):
    """What of the compose specification the file uses; extensions are taken out before."""

    name: str
    services: dict[str, Service]
    secrets: dict[str, SecretFile]
    volumes: dict[str, None]


def load() -> Compose:
    whole: dict[str, Any] = msgspec.yaml.decode((ROOT / "docker-compose.yml").read_bytes())
    return msgspec.convert({name: part for name, part in whole.items() if not name.startswith("x-")}, Compose)


COMPOSE = load()
OURS = {name: one for name, one in COMPOSE.services.items() if one.build}


def with_secret(name: str) -> set[str]:
    return {service for service, one in COMPOSE.services.items() if name in one.secrets}


def with_variable(name: str) -> set[str]:
    return {service for service, one in COMPOSE.services.items() if name in one.environment}


def test_every_service_of_the_command_line_is_started_once_under_its_name() -> None:
    started = {name: one.command for name, one in OURS.items() if one.command[:1] == ["run"]}
    assert started == {name: ["run", name] for name in services.available()}
    assert set(COMPOSE.services) == PARTS | JOBS | BEFORE_TABLES | set(started)


@pytest.mark.parametrize("name", sorted(name for name, one in OURS.items() if one.command))
def test_its_commands_exist(name: str) -> None:
    result = CliRunner().invoke(app, [*OURS[name].command, "--help"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", sorted(OURS))
def test_its_variables_are_settings(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cipherstream.toml").touch()
    for variable, value in OURS[name].environment.items():
        monkeypatch.setenv(variable, re.sub(r"\$\{\w+:\?[^}]+\}", "given", value))
    monkeypatch.setenv("CIPHERSTREAM_CONFIG", str(tmp_path / "cipherstream.toml"))
    found: Settings = load_settings()
    assert found.kafka.bootstrap == "kafka:9092"
    assert found.service.http_port == 8080
    assert found.object_store.public_url == f"{found.object_store.endpoint}/{found.object_store.bucket}"


def test_what_one_waits_for_is_there_and_can_come_true() -> None:
    for one in COMPOSE.services.values():
        for name, dependency in one.depends_on.items():
            awaited = COMPOSE.services[name]
            if dependency.condition == "service_healthy":
                assert awaited.healthcheck is not None
            elif dependency.condition == "service_completed_successfully":
                assert name in JOBS | BEFORE_TABLES
                assert awaited.restart in ("no", "on-failure")
            else:
                assert dependency.condition == "service_started"


def test_services_wait_for_topics_tables_and_bucket_and_restart() -> None:
    for name in services.available():
        assert set(OURS[name].depends_on) == JOBS
        assert OURS[name].restart == "unless-stopped"
        assert int(OURS[name].stop_grace_period.removesuffix("s")) > DRAIN_S


def test_volumes_and_secrets_are_declared_and_used() -> None:
    mounted = {volume.split(":")[0] for one in COMPOSE.services.values() for volume in one.volumes}
    assert {name for name in mounted if not name.startswith(".")} == set(COMPOSE.volumes)
    assert {name for one in COMPOSE.services.values() for name in one.secrets} == set(COMPOSE.secrets)
    for one in COMPOSE.services.values():
        files = {text for text in one.environment.values() if text.startswith("/run/secrets/")}
        assert files == {f"/run/secrets/{name}" for name in one.secrets}


def test_a_secret_goes_to_those_who_need_it_only() -> None:
    assert with_secret("signer_key") == {"sns-worker", "transaction-sender"}
    assert with_secret("sender_key") == {"transaction-sender"}
    assert with_variable("DATABASE_URL") == {"graph", "tables"}
    assert with_variable("CIPHERSTREAM_SENDER__POSTGRES_URL") == {"transaction-sender"}
    assert with_variable("PGPASSWORD") == with_variable("SENDER_PASSWORD") == {"roles"}
    assert with_variable("AWS_SECRET_ACCESS_KEY") == {"graph", "sns-worker", "bucket"}


def test_the_sender_has_the_role_that_is_made_before_the_tables_are_granted() -> None:
    assert set(OURS["tables"].depends_on) == BEFORE_TABLES
    assert OURS["tables"].command[1:] == ["--sender-role", postgres.SENDER]
    assert f"create role {postgres.SENDER} login" in COMPOSE.services["roles"].entrypoint[-1]
    url = OURS["transaction-sender"].environment["CIPHERSTREAM_SENDER__POSTGRES_URL"]
    assert url.startswith(f"postgresql://{postgres.SENDER}:${{")


def test_the_database_is_there_once_it_listens_to_others() -> None:
    check = COMPOSE.services["postgres"].healthcheck
    assert check is not None
    assert "--host=127.0.0.1" in check.test


def test_no_secret_is_in_the_file() -> None:
    """Each comes from the environment, which must have it."""
    for one in COMPOSE.services.values():
        for name, value in one.environment.items():
            if re.search(r"PASSWORD|SECRET|ACCESS_KEY|DATABASE_URL|POSTGRES_URL", name):
                assert re.search(r"\$\{\w+:\?", value), name


def test_parts_are_of_the_devnet_s_versions() -> None:
    broker = kafka._POM.read_text()  # pyright: ignore[reportPrivateUsage]
    images = {name: COMPOSE.services[name].image.split(":")[1] for name in PARTS}
    assert f"<version>{images['kafka']}</version>" in broker
    assert object_store._MODULE.endswith(f"@{images['objects']}")  # pyright: ignore[reportPrivateUsage]
    assert postgres._BINARIES.endswith(images["postgres"])  # pyright: ignore[reportPrivateUsage]


def test_the_image_is_built_with_a_compiler_and_a_python_that_will_do() -> None:
    text = (ROOT / "Dockerfile").read_text()
    (rust,) = re.findall(r"^FROM rust:(\d+)\.(\d+)", text, re.MULTILINE)
    assert tuple(map(int, rust)) >= machine.RUST_MIN[:2]
    pythons = {tuple(map(int, found)) for found in re.findall(r"python(3)\.(\d+)", text)}
    assert len(pythons) == 1
    assert pythons <= set(machine.PYTHONS)
    assert 'ENTRYPOINT ["cipherstream"]' in text
    assert "install --directory --owner=1000 --group=1000 /keys" in text
    assert all("/keys" in {volume.split(":")[1] for volume in one.volumes} for one in OURS.values())
