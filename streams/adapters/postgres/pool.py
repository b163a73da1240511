"""Connections to Postgres; its errors become those of the tree, so that no other module knows the driver."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any, Final, cast

import asyncpg

from streams.domain.errors import ConfigurationError, StoreError, TransactionTooLong
from streams.settings import PostgresSettings

Connection = Any  # asyncpg's stubs do not tell a pooled connection from its proxy
Pool = Any
_driver: Final = cast(Any, asyncpg)

# What the statement or its values are to blame for: cardinality, a value that no type takes, a constraint,
# names and syntax, a limit of the program. Everything else is the server's, and would fail any other record
# too: a lost connection, a standby that only reads, resources, serialisation, a disk that fails.
_OURS: Final = ("21", "22", "23", "42", "54")
# Idle too long in a transaction, too long a transaction, too long a statement (where the role has a limit).
_TOO_LONG: Final = ("25P03", "25P04", "57014")
# Refused password or role, no such database, a right that lacks: repeating cannot help.
_MISCONFIGURED: Final = ("28", "3D", "42501")
VERSION_MIN: Final = 17  # of the server; before it there is no transaction_timeout
CONNECT_TIMEOUT_S: Final = 5.0
COMMAND_TIMEOUT_S: Final = 60.0  # a statement of an owner takes milliseconds; longer means a dead connection
# A process that is stopped between two statements (a paused machine, a debugger) would keep its locks, and
# with them its shards, as long as it sleeps: the server ends its transaction, and the next owner goes on.
IDLE_TRANSACTION_S = 20.0
CLOSE_S = 5.0  # for all connections to end by themselves
# The same for who stops between a statement's preparation and its execution, which is not idle to the server;
# less than a command may take, so that a claim that waits for the lock gets it. From Postgres 17 on.
TRANSACTION_S = 45.0
# Both, and every statement, where a record is alone in its transaction because it needs longer: a million
# rows in a few minutes. So long another owner may have to wait for the shard of a process that is stopped.
PATIENT_S = 600.0
# Whoever uses a connection that the server has closed hears of a lost connection only. One that is lost by
# chance in a transaction as old as this is taken for it: fewer records in the next one do no harm.
_NEARLY: Final = 0.9
# A machine that lost its power says no farewell: its sessions, and the locks that they hold, would stay for
# two hours, the default of kernels.
_KEEPALIVE: Final = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
# A plan is kept while its tables grow, and one made when they were small would read them whole. Before
# Postgres 18 a scan that cannot be avoided would then be dear enough to be compiled.
_SMALL: Final = 64  # rows; below it no plan is dear
_BY_INDEX: Final = {"enable_seqscan": "off", "jit": "off"}


class _Plain(asyncpg.Connection):
    """A connection that is given back as it is."""

    _planned_at = 0

    def get_reset_query(self) -> str:
        """Nothing: what was not changed need not be reset, with a round trip for every transaction."""
        return ""

    def has_outgrown(self, rows: int) -> bool:
        """Whether so many rows were written that its plans may be for tables half as large; told once.

        To the planner all indices of a small table are alike, and one that only begins with the same column
        is read from end to end. Statistics would tell, after a minute in which the table grows.
        """
        if rows < 2 * self._planned_at + _SMALL:
            return False
        self._planned_at = rows
        return True


@contextlib.contextmanager
def translated() -> Generator[None]:
    """Turns the server's troubles into StoreError, a wrong URL into ConfigurationError; our defects pass."""
    try:
        yield
    except asyncpg.PostgresError as error:
        sqlstate: str = cast(Any, error).sqlstate or ""
        if sqlstate.startswith(_MISCONFIGURED):
            raise ConfigurationError(f"postgres.url: {error}") from error
        if sqlstate in _TOO_LONG:
            raise TransactionTooLong(f"database: {error}") from error
        if sqlstate.startswith(_OURS):
            raise
        raise StoreError(f"database: {error}") from error
    except cast(Any, asyncpg).ClientConfigurationError as error:
        raise ConfigurationError("postgres.url is not a connection string") from error
    except asyncpg.InterfaceError as error:
        # the driver's own word for a value that no type takes
        if isinstance(error, ValueError):
            raise
        raise StoreError(f"database: {error}") from error
    except asyncpg.InternalClientError as error:
        raise StoreError(f"database: {error}") from error
    except (OSError, TimeoutError) as error:
        raise StoreError(f"database: {str(error) or type(error).__name__}") from error


async def open_pool(
    settings: PostgresSettings,
    connections: int,
    *,
    is_reset: bool = True,
    by_index: bool = False,
    is_patient: bool = False,
) -> Pool:
    """A pool whose connections see only the deployment's schema; it connects on first use.

    Args:
        is_reset: whether a connection that is given back loses locks and settings; False for who has none.
        by_index: whether statements find their rows by an index, however small the tables are.
        is_patient: whether statements and transactions may last PATIENT_S.
    """
    idle_s, transaction_s = (PATIENT_S, PATIENT_S) if is_patient else (IDLE_TRANSACTION_S, TRANSACTION_S)
    with translated():
        return await _driver.create_pool(
            settings.url.get_secret_value(),
            min_size=0,
            max_size=connections,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=PATIENT_S if is_patient else COMMAND_TIMEOUT_S,
            connection_class=asyncpg.Connection if is_reset else _Plain,
            # Several statements sent as one are long, and to prepare one costs more than to run it.
            max_cacheable_statement_size=0,
            server_settings={
                **_KEEPALIVE,
                **(_BY_INDEX if by_index else {}),
                "search_path": quoted(settings.schema_name),
                "timezone": "UTC",
                "idle_in_transaction_session_timeout": f"{idle_s * 1000:.0f}",
                "transaction_timeout": f"{transaction_s * 1000:.0f}",
            },
        )


async def connect(url: str) -> Connection:
    """One connection, for who needs no pool."""
    return await _driver.connect(url, timeout=CONNECT_TIMEOUT_S)


def _require_committed(tag: str) -> None:
    # After an error that somebody kept to himself it is rolled back, and the server calls that no error.
    if tag != "COMMIT":
        raise StoreError(f"database: the transaction ended with {tag}")


@contextlib.contextmanager
def _settled() -> Generator[None]:
    """Tells a server that does not take our settings from one that is away."""
    try:
        yield
    except (asyncpg.UndefinedObjectError, asyncpg.ProtocolViolationError) as error:
        # A server's word, and, among other things, that of a pool of connections before one.
        if "parameter" not in str(error):
            raise
        raise ConfigurationError(
            f"postgres.url: {error}; it has to name Postgres {VERSION_MIN} or newer, and no pool before it"
        ) from error


def require_version(connection: Connection) -> None:
    """Refuse a server that is too old; raises ConfigurationError."""
    found = connection.get_server_version().major
    if found < VERSION_MIN:
        raise ConfigurationError(f"postgres.url: it is Postgres {found}, {VERSION_MIN} or newer is needed")


@contextlib.asynccontextmanager
async def acquired(pool: Pool) -> AsyncGenerator[Connection]:
    """A connection of the pool, given back at the end; raises StoreError."""
    with translated():
        # The driver's own timeout makes a task, and whatever is ready to run goes before the first statement.
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            with _settled():
                connection = await pool.acquire()
        try:
            yield connection
        except BaseException:
            await give_up(pool, connection)
            raise
        await pool.release(connection, timeout=COMMAND_TIMEOUT_S)


async def give_up(pool: Pool, connection: Connection) -> None:
    """Give a connection back after an error, before long; this raises nothing in that error's place.

    Above all not in that of a cancellation, which whoever waits out a StoreError would never hear of. What
    the driver cannot tidy it ends.
    """
    with contextlib.suppress(Exception):
        await pool.release(connection, timeout=CLOSE_S)


@contextlib.contextmanager
def _lasting(limit_s: float) -> Generator[None]:
    """Turns an error that ends a transaction as old as its limit into TransactionTooLong."""
    since_s = time.monotonic()
    try:
        with translated():
            yield
    except StoreError as error:
        if time.monotonic() - since_s < _NEARLY * limit_s:
            raise
        raise TransactionTooLong(str(error)) from error


@contextlib.asynccontextmanager
async def begun(connection: Connection, statements: str, limit_s: float) -> AsyncGenerator[str]:
    """A transaction that these statements begin, sent as one; gives what the server says of the last.

    Raises: TransactionTooLong, where it is as old as the limit when the server ends it; StoreError where it
        did not commit it.
    """
    with _lasting(limit_s):
        try:
            yield await connection.execute(statements)
        except BaseException:
            await _roll_back(connection)
            raise
        _require_committed(await connection.execute("commit"))


async def _roll_back(connection: Connection) -> None:
    try:
        await connection.execute("rollback", timeout=CLOSE_S)
    except Exception:
        # It may be in the transaction still: not for others. What went wrong before is told, as in `give_up`.
        cut(connection)


def cut(connection: Connection) -> None:
    """End a connection at once, with its locks and its transaction; the driver may have done it before."""
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()


def quoted(identifier: str) -> str:
    """A schema's name as SQL writes it."""
    return '"' + identifier.replace('"', '""') + '"'
