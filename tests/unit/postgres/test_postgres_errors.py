"""The driver's errors as those of the tree: waited out, for somebody to mend, or a defect."""

import asyncpg
import pytest

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
        asyncpg.InterfaceError,
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


def test_a_defect_is_none_of_them() -> None:
    with pytest.raises(asyncpg.UndefinedColumnError), pool.translated():
        raise asyncpg.UndefinedColumnError("no such column")
