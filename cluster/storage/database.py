"""Database: where journals are kept - a file of a run's own, or a server that many runs share."""

import contextlib
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sql
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
)

from .schema import REVISION

T = TypeVar("T")

PATIENCE_S = 120.0
"""How long a server that was there before may be gone."""

MIGRATIONS = Path(__file__).parent / "migrations"


class JournalError(RuntimeError):
    """The journal cannot be read or written; the message says why and what to do."""


class Database:
    """A database behind a URL: `sqlite:///FILE`, or `postgresql+psycopg://USER@HOST/NAME`.

    `address` is the URL without a password, from wherever it is opened: fit for messages and files.
    """

    def __init__(self, url: str | sql.URL) -> None:
        try:
            parsed = sql.make_url(url)
            self._engine = sql.create_engine(parsed, **_options(parsed))
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise ValueError(
                f"{str(url).partition(':')[0]!r} names no database that can be used ({error}): "
                "give sqlite:///FILE, or postgresql+psycopg://USER@HOST/NAME after pip install "
                "'secateur[postgresql]'"
            ) from error
        self._is_file = parsed.get_backend_name() == "sqlite"
        self._file = Path(parsed.database).absolute() if self._is_file and parsed.database else None
        place = str(self._file) if self._file else parsed.database
        self.address = without_password(parsed)._replace(database=place).render_as_string()
        self._mode = _Mode()
        self._was_there = False
        weakref.finalize(self, self._engine.dispose)  # nobody has to close what is only looked at
        if self._is_file:
            sql.event.listen(self._engine, "connect", self._mode.set_up)

    @classmethod
    def in_file(cls, path: Path) -> "Database":
        """The database in a file."""
        return cls(sql.URL.create("sqlite", database=str(path)))

    def read(self, work: Callable[[sql.Connection], T]) -> T:
        """Do some reading on a connection."""
        return self._patiently(lambda: self._reading(work), "read")

    def write(self, work: Callable[[sql.Connection], T], *, patience_s: float = PATIENCE_S) -> T:
        """Do some writing in a transaction; it is durable when the call returns.

        A server that is gone is waited for, and the work done anew.
        """
        return self._patiently(lambda: self._writing(work), "write", patience_s)

    def migrate(self) -> None:
        """Bring the tables to what this version needs, from nothing or from an earlier version."""
        from alembic import command, config  # takes a moment

        def upgrade(connection: sql.Connection) -> None:
            settings = config.Config()
            settings.set_main_option("script_location", str(MIGRATIONS))
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")

        self.write(upgrade)

    def require_current(self) -> None:
        """Refuse tables that another version made, and a database that has none."""
        if self.is_empty:
            raise ValueError(
                f"{self.address} holds no runs: give the URL that --journal had, or "
                "sqlite:///FILE of a copy"
            )
        if (found := self.read(_revision)) != REVISION:
            raise JournalError(
                f"{self.address} has tables {found}, this version reads {REVISION}; "
                "use the version that wrote it"
            )

    @property
    def is_empty(self) -> bool:
        """Whether there are no tables, or not even the file that would hold them."""
        if self._file is not None and not self._file.exists():
            return True
        return not self.read(_tables)

    def now(self, connection: sql.Connection) -> float:
        """Seconds since 1970 by the database's clock, which is the same for all its users."""
        if self._is_file:
            return time.time()
        return float(connection.scalar(sql.text("select extract(epoch from clock_timestamp())")))

    @contextmanager
    def writing_ahead(self) -> Iterator[None]:
        """Have a file commit in microseconds, into a log beside it, while it is written a lot.

        A commit outlives any process at once, a loss of power after the next `flush`. At the end
        the database is a single file again.
        """
        self._mode.is_ahead = self._is_file
        self.close()
        try:
            yield
        finally:
            self._mode.is_ahead = False
            self.close()
            if self._is_file:
                self._fold()

    def flush(self) -> None:
        """Bring to the disk what a file's log has."""
        if self._mode.is_ahead:
            self.read(lambda connection: connection.execute(sql.text("pragma wal_checkpoint")))

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    def _fold(self) -> None:
        """Take the log into the file, unless somebody is reading: then the next one does."""
        with contextlib.suppress(JournalError):
            self.read(
                lambda connection: connection.execute(sql.text("pragma journal_mode = delete"))
            )

    def _reading(self, work: Callable[[sql.Connection], T]) -> T:
        with self._engine.connect() as connection:
            return work(connection)

    def _writing(self, work: Callable[[sql.Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    def _patiently(self, attempt: Callable[[], T], verb: str, patience_s: float = PATIENCE_S) -> T:
        """Attempt, and where a server is gone that was there before, attempt again."""
        until = time.monotonic() + (patience_s if self._was_there and not self._is_file else 0.0)
        while True:
            try:
                done = attempt()
            except OperationalError as error:
                if time.monotonic() < until:
                    time.sleep(1.0)
                    continue
                self.close()
                raise self._error(verb, error) from error
            except IntegrityError:
                raise
            except DBAPIError as error:
                self.close()
                raise self._error(verb, error) from error
            self._was_there = True
            return done

    def _error(self, verb: str, error: DBAPIError) -> JournalError:
        reason = str(error.orig).splitlines()[0]
        advice = (
            "see to the disk and its rights" if self._is_file else "see to the server and rights"
        )
        return JournalError(
            f"cannot {verb} the journal in {self.address}: {reason}; {advice}, then resume: "
            "what was answered before is safe"
        )


class _Mode:
    """How a file is written. The engine holds on to it, and so must not to the database."""

    is_ahead = False

    def set_up(self, connection: Any, _: Any) -> None:
        """Set up a connection to a file."""
        connection.execute("pragma busy_timeout = 10000")
        mode = "delete"
        if self.is_ahead:  # a file system that lacks what this needs stays as it is
            (mode,) = connection.execute("pragma journal_mode = wal").fetchone()
        connection.execute(f"pragma synchronous = {'normal' if mode == 'wal' else 'full'}")


def without_password(url: sql.URL) -> sql.URL:
    """The same URL without passwords, of which its query may hold some as well."""
    told = [key for key in url.query if "password" in key.lower()]
    return url._replace(password=None).difference_update_query(told)


def _tables(connection: sql.Connection) -> list[str]:
    return sql.inspect(connection).get_table_names()


def _revision(connection: sql.Connection) -> Any:
    if "alembic_version" not in _tables(connection):
        return "of an earlier version"
    return connection.scalar(sql.text("select version_num from alembic_version"))


def _options(url: sql.URL) -> dict[str, Any]:
    return {} if url.get_backend_name() == "sqlite" else {"pool_pre_ping": True}
