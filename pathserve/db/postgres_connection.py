"""Connections to PostgreSQL, all set up alike."""

from decimal import Decimal

import psycopg
from psycopg.adapt import Buffer
from psycopg.types.bool import BoolBinaryLoader, BoolLoader
from psycopg.types.numeric import FloatBinaryDumper, Int8BinaryDumper, NumericBinaryLoader, NumericLoader

from pathserve.db.values import Row
from pathserve.errors import Busy, Unsupported

Connection = psycopg.Connection[Row]

_OLDEST = 130_000
_CONNECT_SECONDS = 10
_SETTINGS = """
    set synchronous_commit = on;
    set lock_timeout = '20s';
    set idle_in_transaction_session_timeout = '10min';
    set client_min_messages = error;
    set standard_conforming_strings = on;
    set time zone 'UTC'
"""


class _SumLoader(NumericLoader):
    """Reads sums and means as Python's own numbers."""

    def load(self, data: Buffer) -> int | float:  # type: ignore[override]
        """Give a whole number when it has no fraction digits."""
        return _plain(super().load(data))


class _SumBinaryLoader(NumericBinaryLoader):
    """The same of the binary form."""

    def load(self, data: Buffer) -> int | float:  # type: ignore[override]
        """Give a whole number when it has no fraction digits."""
        return _plain(super().load(data))


class _FlagLoader(BoolLoader):
    """Reads true and false as 1 and 0."""

    def load(self, data: Buffer) -> int:  # type: ignore[override]
        """Give 1 or 0."""
        return int(super().load(data))


class _FlagBinaryLoader(BoolBinaryLoader):
    """The same of the binary form."""

    def load(self, data: Buffer) -> int:  # type: ignore[override]
        """Give 1 or 0."""
        return int(super().load(data))


def connect(address: str) -> Connection:
    """Connect to a server.

    Raises
    ------
    Busy
        When it cannot be reached or does not let PathServe in. The text of the cause is left out: it tells addresses.
    Unsupported
        When the server is too old, or keeps texts in another coding than UTF-8.
    """
    try:
        connection: Connection = psycopg.connect(
            address,
            autocommit=True,  # transactions begin and end where `PostgresDatabase` says so
            cursor_factory=psycopg.RawCursor,
            connect_timeout=_CONNECT_SECONDS,
            client_encoding="utf8",
            application_name="pathserve",
            # A server that has gone without a word is noticed, on both sides.
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=20_000,
        )
    except psycopg.ProgrammingError as error:
        raise Busy("This is no address of a PostgreSQL database.") from error
    except psycopg.OperationalError:
        raise Busy(
            "The PostgreSQL database cannot be reached or does not let PathServe in: look at its address, user and "
            "password, and whether it runs."
        ) from None
    try:
        _require_fitting(connection)
        connection.execute(_SETTINGS)
        _adapt(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _require_fitting(connection: Connection) -> None:
    if connection.info.server_version < _OLDEST:
        raise Unsupported("This PostgreSQL is too old: PathServe needs version 13 or newer.")
    if connection.info.parameter_status("server_encoding") != "UTF8":
        raise Unsupported("The PostgreSQL database keeps texts in another coding: make one with ENCODING 'UTF8'.")


def _adapt(connection: Connection) -> None:
    adapters = connection.adapters
    # One type for all whole numbers, so that a statement is prepared once whatever their size.
    adapters.register_dumper(int, Int8BinaryDumper)
    adapters.register_dumper(bool, Int8BinaryDumper)
    adapters.register_dumper(float, FloatBinaryDumper)
    for loader in (_SumLoader, _SumBinaryLoader):
        adapters.register_loader("numeric", loader)
    for flag in (_FlagLoader, _FlagBinaryLoader):
        adapters.register_loader("bool", flag)


def _plain(number: Decimal) -> int | float:
    return int(number) if number.as_tuple().exponent == 0 else float(number)
