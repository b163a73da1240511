"""The driver's errors as those of the tree: waited out, for somebody to mend, or a defect."""

import asyncpg
import pytest
from asyncpg.exceptions._base import DataError as ClientDataError

from streams.adapters.postgres import pool
from streams.domain.errors import ConfigurationError, StoreError, TransactionTooLong


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionDoesNotExistError,
        asyncpg.ReadOnlySQLTransactionError,  # after a failover, until the standby has taken over
        asyncpg.IdleInTransactionSessionTimeoutError,
        asyncpg.DiskFullError,
        asyncpg.TooManyConnectionsError,
        asyncpg.AdminShutdownError,
        asyncpg.SerializationError,
        asyncpg.DeadlockDetectedError,
        asyncpg.PostgresIOError,  # of its disk: every other record would fail too
        asyncpg.DataCorruptedError,
        asyncpg.InternalServerError,
        asyncpg.FeatureNotSupportedError,  # a plan of before a migration
        asyncpg.InFailedSQLTransactionError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        asyncpg.ProtocolError,
        ConnectionResetError,
        TimeoutError,
    ],
)
def test_what_passes_by_itself_is_waited_out(error: type[Exception]) -> None:
    with pytest.raises(StoreError, match="database"), pool.translated():
        raise error("away")


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.IdleInTransactionSessionTimeoutError,
        asyncpg.TransactionTimeoutError,
        asyncpg.QueryCanceledError,  # a limit of the role's for statements
    ],
)
def test_what_took_too_long_says_so(error: type[Exception]) -> None:
    with pytest.raises(TransactionTooLong, match="database"), pool.translated():
        raise error("too long")


@pytest.mark.parametrize(
    "error",
    [asyncpg.InvalidPasswordError, asyncpg.InvalidCatalogNameError, asyncpg.InsufficientPrivilegeError],
)
def test_what_an_operator_has_to_mend_says_so(error: type[Exception]) -> None:
    with pytest.raises(ConfigurationError, match=r"postgres\.url"), pool.translated():
        raise error("no")


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UndefinedColumnError,
        asyncpg.CharacterNotInRepertoireError,
        asyncpg.NumericValueOutOfRangeError,
        asyncpg.NotNullViolationError,
        asyncpg.CardinalityViolationError,
        asyncpg.ProgramLimitExceededError,  # a value too long for an index
        ClientDataError,  # the same from the driver, which asks no server
    ],
)
def test_a_defect_is_none_of_them(error: type[Exception]) -> None:
    with pytest.raises(error), pool.translated():
        raise error("no such column")


class Session:
    """A connection whose server says this of every statement."""

    def __init__(self, tag: str) -> None:
        self.tag = tag

    async def execute(self, statement: str) -> str:
        del statement
        return self.tag


async def test_what_the_server_did_not_commit_is_not_taken_for_committed() -> None:
    async with pool.begun(Session("COMMIT"), "begin", 1):
        pass
    with pytest.raises(StoreError, match="ended with ROLLBACK"):
        async with pool.begun(Session("ROLLBACK"), "begin", 1):
            pass
