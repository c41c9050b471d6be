"""Journal: what was asked, answered and noted, in order. A run's state is a function of it.

Every entry carries a hash over itself and the one before, so that a journal which was cut or edited
is found out. SQLite through SQLAlchemy; an entry is durable when the call returns. Nothing in it is
a pickle.
"""

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from ..actors.job import Answer
from ..methods.cost import Cost
from ..search.candidate import Candidate, Estimate, Forecast
from . import tenure
from .tenure import Superseded, Tenure

FORMAT = 3

_schema = sql.MetaData()
_entries = sql.Table(
    "entries",
    _schema,
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),  # from 0
    sql.Column("kind", sql.String, nullable=False),  # asked, answered, noted, finetuned
    sql.Column("body", sql.Text, nullable=False),  # JSON
    sql.Column("hash", sql.String, nullable=False),  # SHA-256
)
_sittings = sql.Table(
    "sittings",
    _schema,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("started", sql.Float, nullable=False),
    sql.Column("last_seen", sql.Float, nullable=False),
)


_tenure = Tenure(_schema)


class JournalError(RuntimeError):
    """The journal cannot be read or written; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Finetuned:
    """A network of the run that was trained further: from which one, how, and its errors since.

    It has a number of its own, after the candidates'.
    """

    number: int
    parent: int
    recipe: Mapping[str, Any]
    error: Estimate
    final_error: Estimate


@dataclass(slots=True)
class _State:
    """What the entries read so far amount to."""

    count: int = 0
    hash: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    candidates: list[tuple[Candidate, Cost]] = field(default_factory=list)
    answers: dict[int, dict[str, Answer]] = field(default_factory=dict)
    finetuned: list[Finetuned] = field(default_factory=list)

    def take(self, kind: str, body: str) -> None:
        """Take the next entry."""
        self.hash = _chained(self.hash, kind, body)
        self.count += 1
        values = json.loads(body)
        match kind:
            case "asked":
                self.candidates.append((_candidate(values["candidate"]), Cost(**values["cost"])))
            case "answered":
                answer = _answer(values)
                self.answers.setdefault(answer.number, {})[answer.quantity] = answer
            case "noted":
                self.facts[values["name"]] = values["value"]
            case "finetuned":
                errors = {name: Estimate(**values[name]) for name in ("error", "final_error")}
                self.finetuned.append(Finetuned(**{**values, **errors}))
            case _:
                raise JournalError(f"the journal has an entry of an unknown kind, {kind!r}")


class Journal:
    """One run's memory. `create` makes a new one, `open` an existing one."""

    def __init__(self, path: Path, engine: sql.Engine) -> None:
        self.path = path
        self._engine = engine
        self._state = _State()
        self._sitting: int | None = None
        self._term: int | None = None  # while this process holds the run

    @classmethod
    def create(cls, path: Path, facts: Mapping[str, Any]) -> "Journal":
        """Make a journal whole or not at all: it is built beside and moved into place."""
        beside = path.with_name(path.name + ".partial")
        beside.unlink(missing_ok=True)
        journal = cls(beside, _engine(beside))
        with journal._writing() as connection:
            _schema.create_all(connection)
            _tenure.establish(connection)
        for name, value in {"format": FORMAT, **facts}.items():
            journal.note(name, value)
        journal.close()
        os.replace(beside, path)
        return cls(path, _engine(path))

    @classmethod
    def open(cls, path: Path) -> "Journal":
        """Open a journal that this version can read."""
        if not path.is_file():
            raise ValueError(f"no run in {path.parent}: expected a journal at {path}")
        journal = cls(path, _engine(path))
        with journal._reading() as connection:
            known = sql.inspect(connection).has_table(_entries.name)
        found = journal.fact("format") if known else "2 or less"
        if found != FORMAT:
            raise JournalError(
                f"{path} has journal format {found}, this version reads {FORMAT}; "
                "resume with the version that wrote it"
            )
        return journal

    def fact(self, name: str, default: Any = None) -> Any:
        """Return what is known of the run under this name."""
        value = self._current().facts.get(name)
        return default if value is None else value

    def note(self, name: str, value: Any) -> None:
        """Remember a fact; None forgets it."""
        self._append("noted", {"name": name, "value": value})

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only process that works on the run.

        RunBusy where another process does; Superseded, when this one writes, where another one has
        taken over because this one stood still for too long.
        """
        with self._writing() as connection:
            self._term = _tenure.take(connection, str(self.path.parent))
        ended = threading.Event()
        prolonging = threading.Thread(target=self._prolong, args=(ended,), daemon=True)
        prolonging.start()
        try:
            yield
        finally:
            ended.set()
            prolonging.join()
            with contextlib.suppress(JournalError), self._writing() as connection:
                _tenure.give_up(connection, self._term)
            self._term = self._sitting = None

    def sit_down(self) -> None:
        """Begin a sitting: from here on, while the run is held, its time counts."""
        now = time.time()
        with self._writing() as connection:
            result = connection.execute(_sittings.insert().values(started=now, last_seen=now))
            key = result.inserted_primary_key
        self._sitting = key[0] if key else None

    @property
    def is_held(self) -> bool:
        """Whether a live process works on the run."""
        with self._reading() as connection:
            return _tenure.is_held(connection)

    def asked(self, candidate: Candidate, cost: Cost) -> None:
        """Remember a candidate before anything is done with it."""
        self._append("asked", {"candidate": asdict(candidate), "cost": asdict(cost)})

    def answered(self, answer: Answer) -> None:
        """Remember an answer before anything is made of it; each quantity is answered once."""
        if answer.quantity in self._current().answers.get(answer.number, {}):
            raise ValueError(f"the {answer.quantity} of network {answer.number} is known already")
        self._append("answered", asdict(answer))

    def candidates(self) -> list[tuple[Candidate, Cost]]:
        """Everything asked, in order."""
        return list(self._current().candidates)

    def answers(self) -> dict[int, dict[str, Answer]]:
        """Everything answered, by candidate number and quantity."""
        return {number: dict(known) for number, known in self._current().answers.items()}

    def finetuned(self) -> list[Finetuned]:
        """Every network that was trained further, in order."""
        return list(self._current().finetuned)

    def trained_further(self, network: Finetuned) -> None:
        """Remember a network that was trained further, its files being safe already."""
        self._append("finetuned", asdict(network))

    def elapsed_seconds(self) -> float:
        """Time that the run has been worked on, over all its sittings."""
        with self._reading() as connection:
            total = connection.scalar(
                sql.select(sql.func.sum(_sittings.c.last_seen - _sittings.c.started))
            )
        return float(total or 0.0)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def _current(self) -> _State:
        """Read what was written since the last time, by whomever, and hold it against its hash."""
        state = self._state
        with self._reading() as connection:
            news = _entries.select().where(_entries.c.number >= state.count)
            rows = connection.execute(news.order_by(_entries.c.number)).all()
        for row in rows:
            whole = row.number == state.count
            if not whole or row.hash != _chained(state.hash, row.kind, row.body):
                raise JournalError(
                    f"entry {row.number} of {self.path} does not follow from what precedes it: the "
                    "journal was cut or edited; put a copy in its place that was not, and resume"
                )
            state.take(row.kind, row.body)
        return state

    def _append(self, kind: str, values: Mapping[str, Any]) -> None:
        """Write an entry, in one transaction with the proof that this process may."""
        state = self._current()
        body = json.dumps(values, allow_nan=False, separators=(",", ":"))
        hashed = _chained(state.hash, kind, body)
        row = {"number": state.count, "kind": kind, "body": body, "hash": hashed}
        with self._writing() as connection:
            self._prove(connection)
            connection.execute(_entries.insert().values(row))
        state.take(kind, body)

    def _prove(self, connection: sql.Connection) -> None:
        """Make sure that this process may write; its sitting goes on."""
        _tenure.prove(connection, self._term, str(self.path.parent))
        if self._sitting is not None:
            sitting = _sittings.update().where(_sittings.c.id == self._sitting)
            connection.execute(sitting.values(last_seen=time.time()))

    def _prolong(self, ended: threading.Event) -> None:
        """Say every few seconds that the holder lives, until it ends or is replaced."""
        while not ended.wait(tenure.HOLD_SECONDS / 6):
            try:
                with self._writing() as connection:
                    self._prove(connection)
            except JournalError:
                continue  # the next entry will tell
            except Superseded:
                return

    @contextmanager
    def _writing(self) -> Iterator[sql.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except (OperationalError, IntegrityError) as error:
            raise JournalError(
                f"cannot write the journal {self.path}: {error.orig}; "
                "see to the disk and its rights, then resume: what was answered before is safe"
            ) from error

    @contextmanager
    def _reading(self) -> Iterator[sql.Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except DatabaseError as error:
            raise JournalError(f"cannot read the journal {self.path}: {error.orig}") from error


def _chained(before: str, kind: str, body: str) -> str:
    return hashlib.sha256(f"{before}\n{kind}\n{body}".encode()).hexdigest()


def _candidate(values: Mapping[str, Any]) -> Candidate:
    forecast = values["forecast"]
    return Candidate(
        values["number"],
        tuple(values["genome"]),
        values["origin"],
        forecast and Forecast(*(tuple(forecast[name]) for name in ("objectives", "tau"))),
    )


def _answer(values: Mapping[str, Any]) -> Answer:
    result = values["result"]
    measured = result if isinstance(result, str) else Estimate(**result)
    return Answer(**{**values, "result": measured})


def _engine(path: Path) -> sql.Engine:
    engine = sql.create_engine(f"sqlite:///{path}")

    @sql.event.listens_for(engine, "connect")
    def _durable(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=10000")

    return engine
