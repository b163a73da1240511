import traceback
from pathlib import Path

import pytest

from streams import settings
from streams.domain.errors import ConfigurationError

ADDRESS = "0x" + "ab" * 20
CHAIN = f"""
[[host_chain]]
id = 12345
http_url = "http://127.0.0.1:1"
acl_address = "{ADDRESS}"
executor_address = "{ADDRESS}"
"""


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in (
        "CIPHERSTREAM_CONFIG",
        "DATABASE_URL",
        "S3_BUCKET",
        "WORKER_COUNT",
        "GPU_ENABLED",
        "FHEVM_DF_SCHEDULE",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ):
        monkeypatch.delenv(variable, raising=False)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_a_file_the_defaults_stand() -> None:
    assert settings.load_settings().kafka.bootstrap == "127.0.0.1:9092"


def test_files_are_looked_for_in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def region() -> str:
        return settings.load_settings().object_store.region

    write(tmp_path / ".cipherstream/devnet.toml", '[object_store]\nregion = "devnet"')
    assert region() == "devnet"
    write(tmp_path / "cipherstream.toml", '[object_store]\nregion = "here"')
    assert region() == "here"
    named = write(tmp_path / "named.toml", '[object_store]\nregion = "variable"')
    monkeypatch.setenv("CIPHERSTREAM_CONFIG", str(named))
    assert region() == "variable"
    flag = write(tmp_path / "flag.toml", '[object_store]\nregion = "flag"')
    assert settings.load_settings(flag).object_store.region == "flag"


def test_the_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "cipherstream.toml", '[engine]\nname = "clear"\nworkers = 3')
    monkeypatch.setenv("CIPHERSTREAM_ENGINE__WORKERS", "5")
    engine = settings.load_settings().engine
    assert (engine.name, engine.workers) == ("clear", 5)


@pytest.mark.parametrize(
    ("variable", "value", "section", "key", "expected"),
    [
        ("S3_BUCKET", "theirs", "object_store", "bucket", "theirs"),
        ("WORKER_COUNT", "7", "engine", "workers", 7),
        ("GPU_ENABLED", "true", "engine", "gpu_enabled", True),
        ("FHEVM_DF_SCHEDULE", "MAX_LOCALITY", "engine", "schedule", "MAX_LOCALITY"),
    ],
)
def test_names_that_operators_already_set_are_read(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, section: str, key: str, expected: object
) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(getattr(settings.load_settings(), section), key) == expected


@pytest.mark.parametrize("said", ["MAX_SPEED", "max_locality", ""])
def test_a_schedule_that_nobody_knows_means_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    write(tmp_path / "cipherstream.toml", '[engine]\nschedule = "MAX_LOCALITY"')
    assert settings.unknown_schedule() is None
    monkeypatch.setenv("FHEVM_DF_SCHEDULE", said)
    assert settings.load_settings().engine.schedule == "MAX_PARALLELISM"
    assert settings.unknown_schedule() == said


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no settings file .*gone\.toml"):
        settings.load_settings(tmp_path / "gone.toml")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[kafka]\nbootstrp = 'x'", "kafka.bootstrp"),
        ("[kafkaa]\nbootstrap = 'x'", "kafkaa"),
        ("[api]\ngrpc_port = 50051", "api: no setting of this version"),
        ("[kms]\nbackend = 'single'", "kms: no setting of this version"),
        ("[engine]\nname = 'guess'", "engine.name"),
        ("[engine]\nworkers = -1", "engine.workers"),
        ("[engine]\nschedule = 'MAX_SPEED'", "engine.schedule"),
        (CHAIN.replace(ADDRESS, "0x12", 1), "acl_address"),
        ("not toml", "cipherstream.toml"),
        ("sender = 1", "sender: Input should be a valid dictionary"),
        ("[[signer]]\nprivate_key = '0xfeed'", "signer: Input should be a valid dictionary"),
        ("host_chain = 1", "host_chain"),
        ("[service]\nlog_level = 'loud'", "service.log_level: .* a level is debug"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, named: str) -> None:
    write(tmp_path / "cipherstream.toml", text)
    with pytest.raises(ConfigurationError, match=named):
        settings.load_settings()


def test_a_section_that_is_no_table_is_named_beside_a_variable_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "cipherstream.toml", 'engine = "x"')
    monkeypatch.setenv("WORKER_COUNT", "2")
    with pytest.raises(ConfigurationError, match="engine: Input should be a valid dictionary"):
        settings.load_settings()


@pytest.mark.parametrize(
    ("variable", "named"),
    [("HOST_CHAIN", "host_chain"), ("KAFKA", "kafka"), ("DEVNET__CHAINS", "devnet"), ("SIGNER", "signer")],
)
def test_a_wrong_variable_is_named_and_its_value_not_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, named: str
) -> None:
    monkeypatch.setenv(f"CIPHERSTREAM_{variable}", "hunter2")
    with pytest.raises(ConfigurationError, match=named) as caught:
        settings.load_settings()
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"binary\.toml is not UTF-8"):
        settings.load_settings(binary)
    with pytest.raises(ConfigurationError, match=r"binary\.toml is not UTF-8"):
        settings.read_private_key(settings.KeyFileSettings(private_key_file=binary), "SENDER_KEY")


def test_a_log_level_may_be_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIPHERSTREAM_SERVICE__LOG_LEVEL", "WARNING")
    assert settings.load_settings().service.log_level == "WARNING"


def test_chains_are_a_list_of_tables(tmp_path: Path) -> None:
    write(tmp_path / "cipherstream.toml", CHAIN + CHAIN.replace("12345", "6"))
    assert [chain.id for chain in settings.load_settings().host_chain] == [12345, 6]


def test_a_chain_has_one_entry(tmp_path: Path) -> None:
    write(tmp_path / "cipherstream.toml", CHAIN + CHAIN.replace("12345", "6") + CHAIN)
    with pytest.raises(ConfigurationError, match=r"host_chain: .*chain 12345 has more than one entry"):
        settings.load_settings()


def test_keys_are_activated_on_one_chain(tmp_path: Path) -> None:
    canonical = CHAIN + f'kms_generation_address = "0x{"cc" * 20}"\n'
    write(tmp_path / "cipherstream.toml", canonical + CHAIN.replace("12345", "6"))
    assert len(settings.load_settings().host_chain) == 2
    write(tmp_path / "cipherstream.toml", canonical + canonical.replace("12345", "6"))
    with pytest.raises(ConfigurationError, match="kms_generation_address belongs to one chain"):
        settings.load_settings()


@pytest.mark.parametrize("chain_id", ["0", "-1", str(2**63)])
def test_a_chain_id_is_one_that_a_handle_holds(tmp_path: Path, chain_id: str) -> None:
    write(tmp_path / "cipherstream.toml", CHAIN.replace("12345", chain_id))
    with pytest.raises(ConfigurationError, match="id: Input should be"):
        settings.load_settings()


def test_a_password_is_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2@db/x")
    loaded = settings.load_settings()
    assert "hunter2" in loaded.postgres.url.get_secret_value()
    for text in (repr(loaded), str(loaded), str(loaded.model_dump()), loaded.model_dump_json()):
        assert "hunter2" not in text


def test_what_protects_the_broker_is_in_no_text_of_the_settings(tmp_path: Path) -> None:
    write(tmp_path / "cipherstream.toml", '[kafka.security]\n"sasl.password" = "hunter2"')
    loaded = settings.load_settings()
    assert loaded.kafka.properties() == {"sasl.password": "hunter2"}
    for text in (repr(loaded), str(loaded), str(loaded.model_dump()), loaded.model_dump_json()):
        assert "hunter2" not in text


def test_the_secrets_of_the_settings_are_those_and_no_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:a%40b@db/x")
    monkeypatch.setenv("CIPHERSTREAM_SIGNER__PRIVATE_KEY", "0xfeed")
    security = '"security.protocol" = "SASL_SSL"\n"sasl.password" = "hunter2"'
    write(tmp_path / "cipherstream.toml", f"[kafka.security]\n{security}")
    assert settings.secrets_of(settings.load_settings()) == ("hunter2", "0xfeed", "a@b")
    monkeypatch.delenv("CIPHERSTREAM_SIGNER__PRIVATE_KEY")
    assert settings.secrets_of(settings.Settings()) == ()


def test_the_sender_connects_as_a_role_of_its_own_to_the_same_schema(tmp_path: Path) -> None:
    url = "postgresql://sender:hunter2@db/x"
    write(tmp_path / "cipherstream.toml", f'[postgres]\nschema = "s"\n[sender]\npostgres_url = "{url}"')
    loaded = settings.load_settings()
    own = loaded.sender_postgres()
    assert (own.url.get_secret_value(), own.schema_name) == (url, "s")
    assert settings.secrets_of(loaded) == ("hunter2",)
    assert "hunter2" not in repr(loaded)
    (tmp_path / "cipherstream.toml").unlink()
    without = settings.load_settings()
    assert without.sender_postgres() == without.postgres


def test_settings_do_not_change(tmp_path: Path) -> None:
    loaded = settings.load_settings()
    with pytest.raises(ValueError, match="frozen"):
        loaded.kafka.prefix = "x"


def test_no_setting_can_hold_a_client_key() -> None:
    assert set(settings.KeysSettings.model_fields) == {"directory", "url"}


def test_a_private_key_comes_from_its_file(tmp_path: Path) -> None:
    file = write(tmp_path / "key", "0x" + "11" * 32 + "\n")
    key = settings.read_private_key(settings.KeyFileSettings(private_key_file=file), "SENDER_KEY")
    assert key.get_secret_value() == "0x" + "11" * 32
    assert "11" not in repr(key)


def test_private_key_comes_from_the_environment_first_and_never_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "key", "0xbeef")
    monkeypatch.setenv("CIPHERSTREAM_SIGNER__PRIVATE_KEY", "0xfeed")
    monkeypatch.setenv("CIPHERSTREAM_SIGNER__PRIVATE_KEY_FILE", str(file))
    found = settings.load_settings()
    key = settings.read_private_key(found.signer, "CIPHERSTREAM_SIGNER__PRIVATE_KEY")
    assert key.get_secret_value() == "0xfeed"
    assert "feed" not in repr(found)


def test_private_key_in_the_settings_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "other.toml", '[signer]\nprivate_key = "0xfeed"\n')
    with pytest.raises(ConfigurationError, match="environment") as caught:
        settings.load_settings(path)
    assert "feed" not in str(caught.value)


def test_a_missing_private_key_names_its_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SENDER_KEY"):
        settings.read_private_key(settings.KeyFileSettings(), "SENDER_KEY")
    gone = settings.KeyFileSettings(private_key_file=tmp_path / "gone")
    with pytest.raises(ConfigurationError, match="gone"):
        settings.read_private_key(gone, "SENDER_KEY")


def test_nothing_is_traced_unless_a_collector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load_settings().tracing.endpoint == ""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    assert settings.load_settings().tracing.endpoint == "http://collector:4318"


@pytest.mark.parametrize(
    ("line", "key"), [('endpoint = "collector:4317"', "tracing.endpoint"), ("ratio = 1.5", "tracing.ratio")]
)
def test_a_collector_that_cannot_be_asked_is_named(tmp_path: Path, line: str, key: str) -> None:
    path = write(tmp_path / "cipherstream.toml", f"[tracing]\n{line}")
    with pytest.raises(ConfigurationError, match=key):
        settings.load_settings(path)
