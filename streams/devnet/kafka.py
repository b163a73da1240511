"""Kafka 4.2 from Maven: one JVM that is broker and controller.

The first install also formats a storage folder that every devnet copies, and records an archive of loaded
classes (AppCDS) that brings a start from about 2 s to 1 s.
"""

import asyncio
import base64
import hashlib
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.devnet import install as cache
from streams.devnet import ports
from streams.devnet.supervisor import Supervisor
from streams.domain.errors import ConfigurationError
from streams.fhe.keyset import cache_root

NAME = "kafka"
PORTS = ("kafka", "kafka_controller")

_POM = cache.resource("maven/kafka/pom.xml")
_DIGESTS = cache.resource("maven/kafka/jars.sha256")
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
# By default a method is interpreted 200 times before it is compiled: with few requests a second a broker
# would be slow for minutes.
_JVM = (
    "-Xms64m",
    "-Xmx512m",
    "-XX:TieredStopAtLevel=1",
    "-XX:Tier3InvocationThreshold=20",
    "-XX:Tier3MinInvocationThreshold=10",
    "-XX:Tier3CompileThreshold=100",
    "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
_TEMPLATE_PORTS = {"kafka": 1, "kafka_controller": 2}
_ANSWER_S = 1.0
_COORDINATOR_S = 5.0
_SIGTERM_EXIT = 143
_FIRST_RUN_TRIES = 60  # each waits a second or more
_LEASH = '"$@" & read -r _; kill $!; wait $!'

# Group heartbeats are short so that a member joins in half a second and not in five; one partition per
# internal topic is enough for one broker. A first write into an index file of the default 10 MiB took 60 ms,
# for each partition. Of a few threads each is warm when a request comes. Everything else is Kafka's default.
_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.consumer.min.heartbeat.interval.ms=200
group.consumer.heartbeat.interval.ms=500
group.share.min.heartbeat.interval.ms=200
group.share.heartbeat.interval.ms=500
group.share.min.record.lock.duration.ms=1000
group.share.max.record.lock.duration.ms=3600000
log.cleaner.dedupe.buffer.size=2097152
log.index.size.max.bytes=262144
num.network.threads=1
num.io.threads=2
"""


def install() -> Path:
    """The folder with the jars, the storage template and the class archive.

    Raises: ConfigurationError where java or mvn is missing or a download failed.
    """
    java = cache.tool("java", "the Kafka broker")
    folder = _folder()
    cache.once(folder / "lib", _download)
    cache.once(folder / "template", lambda draft: _format(java, folder / "lib", draft))
    cache.once(folder / f"cds-{_java_version(java)}", lambda draft: _archive(java, folder, draft))
    return folder


def is_installed() -> bool:
    """Whether the libraries and the storage template are here; the class archive only saves time."""
    return all((_folder() / part).is_dir() for part in ("lib", "template"))


def _folder() -> Path:
    return cache_root() / "kafka" / cache.pin(_POM.read_bytes(), _DIGESTS.read_bytes())


def bootstrap(chosen: dict[str, int]) -> str:
    """The address for clients."""
    return f"{ports.LOOPBACK}:{chosen['kafka']}"


async def start(supervisor: Supervisor, chosen: dict[str, int]) -> None:
    """Starts the broker on the state directory's data and waits until it serves groups."""
    folder = await asyncio.to_thread(install)
    state = supervisor.state_dir / "kafka"
    lay_out(state, folder / "template", chosen)
    java = cache.tool("java", "the Kafka broker")
    archive = folder / f"cds-{await asyncio.to_thread(_java_version, java)}" / "kafka.jsa"
    # An archive that does not fit this JVM is ignored, with the slower start.
    options = (f"-XX:SharedArchiveFile={archive}", "-Xshare:auto")
    argv = _command(java, folder / "lib", options, "kafka.Kafka", str(state / "server.properties"))
    supervisor.spawn(NAME, argv, cwd=state)
    address = bootstrap(chosen)
    await supervisor.until(NAME, lambda: asyncio.to_thread(serves_groups, address))


def serves_groups(address: str) -> bool:
    """Whether the broker lists itself and coordinates groups.

    The first request for a group's offsets makes the broker create its internal topic, which takes a second
    or two and would otherwise be waited for by the first service.
    """
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=_ANSWER_S).brokers) and _coordinates(address)
    except KafkaException:  # not there yet, or "not coordinator" while the internal topic is being made
        return False


def _coordinates(address: str) -> bool:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "devnet-warm-up", "log_level": 0})
    try:
        consumer.committed([TopicPartition("devnet-warm-up", 0)], timeout=_COORDINATOR_S)
    finally:
        consumer.close()
    return True


def lay_out(state: Path, template: Path, chosen: dict[str, int]) -> None:
    """Copies the formatted storage folder where there is none yet, and writes the settings."""
    data = state / "data"
    if not data.exists():
        state.mkdir(parents=True, exist_ok=True)
        draft = state / "data.draft"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(template, draft)
        _rename_cluster(draft / "meta.properties")
        draft.rename(data)
    (state / "server.properties").write_text(_settings(data, chosen))


def _settings(data: Path, chosen: dict[str, int]) -> str:
    return _SETTINGS.format(broker=chosen["kafka"], controller=chosen["kafka_controller"], data=data)


def _rename_cluster(meta: Path) -> None:
    """Gives a copy of the template a name of its own: two devnets are two clusters."""
    meta.write_text(re.sub(r"(?m)^cluster\.id=.*$", f"cluster.id={cluster_id()}", meta.read_text()))


def cluster_id(new: Callable[[], uuid.UUID] = uuid.uuid4) -> str:
    """A name for a cluster, as Kafka makes them: 22 characters of base64 that do not look like an option."""
    while True:
        name = base64.urlsafe_b64encode(new().bytes).decode().rstrip("=")
        # One in 64 begins so, and the storage tool would take it for an option of its own.
        if not name.startswith("-"):
            return name


def _command(java: str, lib: Path, options: Sequence[str], *main: str) -> list[str]:
    # Explicit and sorted: the class archive is tied to exactly this list.
    classpath = ":".join(str(jar) for jar in sorted(lib.glob("*.jar")))
    return [java, *_JVM, *options, "-cp", classpath, *main]


def _download(draft: Path) -> None:
    mvn = cache.tool("mvn", "the download of the Kafka broker")
    argv = [mvn, "-B", "-q", "-f", str(_POM), _COPY, "-DincludeScope=runtime", f"-DoutputDirectory={draft}"]
    cache.execute(argv, "downloading the Kafka broker (44 MB)", draft)
    expected = {name: digest for digest, name in map(str.split, _DIGESTS.read_text().splitlines())}
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in draft.iterdir()}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        raise ConfigurationError(f"jars of the Kafka broker differ from {_DIGESTS.name}: {', '.join(wrong)}")


def _format(java: str, lib: Path, draft: Path) -> None:
    settings = draft.with_suffix(".properties")
    settings.write_text(_settings(draft, _TEMPLATE_PORTS))
    try:
        main = ("kafka.tools.StorageTool", "format", "-t", cluster_id(), "-c", str(settings), "-g")
        cache.execute(_command(java, lib, (), *main), "formatting the storage template", draft)
    finally:
        settings.unlink()


def _archive(java: str, folder: Path, draft: Path) -> None:
    """Runs a broker once; at its end it writes down the classes that it has loaded."""
    state = draft / "broker"
    chosen = ports.choose(draft / "ports.json", PORTS)
    lay_out(state, folder / "template", chosen)
    options = (f"-XX:ArchiveClassesAtExit={draft / 'kafka.jsa'}",)
    argv = _command(java, folder / "lib", options, "kafka.Kafka", str(state / "server.properties"))
    path = draft / "broker.log"
    with path.open("wb") as log, _leashed(argv, log) as broker:
        _exercise(bootstrap(chosen))
    if broker.returncode != _SIGTERM_EXIT:
        raise ConfigurationError(f"the Kafka broker ended with {broker.returncode} during its first run")
    shutil.rmtree(state)


def _leashed(argv: Sequence[str], log: BinaryIO) -> "subprocess.Popen[bytes]":
    """A broker that is stopped when its standard input ends: at the end of `with`, or when we are killed."""
    return subprocess.Popen(
        ["/bin/sh", "-c", _LEASH, "sh", *argv], stdin=subprocess.PIPE, stdout=log, stderr=log
    )


def _exercise(address: str) -> None:
    for _ in range(_FIRST_RUN_TRIES):
        if serves_groups(address):
            return
    raise ConfigurationError("the Kafka broker does not answer during its first run")


def _java_version(java: str) -> str:
    release = Path(java).resolve().parent.parent / "release"
    if release.is_file():
        return cache.pin(release.read_bytes())
    return cache.pin(cache.execute([java, "-version"], "asking for the version of java", Path("/")).encode())
