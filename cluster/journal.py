"""Journal: what was asked and answered, in order. A run's state is a function of it.

SQLite through SQLAlchemy; a record is durable when the call returns. Nothing in it is a pickle.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import DatabaseError, OperationalError

from ..actors.job import Answer
from ..methods.cost import Cost
from ..search.candidate import Candidate, Estimate, Forecast

FORMAT = 2

_schema = sql.MetaData()
_facts = sql.Table(
    "facts",
    _schema,
    sql.Column("name", sql.String, primary_key=True),
    sql.Column("value", sql.Text, nullable=False),
)
_candidates = sql.Table(
    "candidates",
    _schema,
    sql.Column("number", sql.Integer, primary_key=True),
    sql.Column("genome", sql.Text, nullable=False),
    sql.Column("origin", sql.String, nullable=False),
    sql.Column("forecast", sql.Text),
    sql.Column("cost", sql.Text, nullable=False),
)
_answers = sql.Table(
    "answers",
    _schema,
    sql.Column("number", sql.Integer, primary_key=True),
    sql.Column("quantity", sql.String, primary_key=True),
    sql.Column("value", sql.Float),
    sql.Column("low", sql.Float),
    sql.Column("high", sql.Float),
    sql.Column("failure", sql.Text),
    sql.Column("worker", sql.String, nullable=False),
    sql.Column("seconds", sql.Float, nullable=False),
    sql.Column("attempt", sql.Integer, nullable=False),
)
_finetuned = sql.Table(  # later than the others: a run may not have it yet
    "finetuned",
    _schema,
    sql.Column("number", sql.Integer, primary_key=True),
    sql.Column("parent", sql.Integer, nullable=False),
    sql.Column("recipe", sql.Text, nullable=False),
    sql.Column("error", sql.Text, nullable=False),
    sql.Column("final_error", sql.Text, nullable=False),
)
_sittings = sql.Table(
    "sittings",
    _schema,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("started", sql.Float, nullable=False),
    sql.Column("last_seen", sql.Float, nullable=False),
)


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


class Journal:
    """One run's memory. `create` makes a new one, `open` an existing one."""

    def __init__(self, path: Path, engine: sql.Engine) -> None:
        self.path = path
        self._engine = engine
        self._sitting: int | None = None

    @classmethod
    def create(cls, path: Path, facts: Mapping[str, Any]) -> "Journal":
        """Make a journal whole or not at all: it is built beside and moved into place."""
        beside = path.with_name(path.name + ".partial")
        beside.unlink(missing_ok=True)
        journal = cls(beside, _engine(beside))
        with journal._writing() as connection:
            _schema.create_all(connection)
            for name, value in {"format": FORMAT, **facts}.items():
                connection.execute(_facts.insert().values(name=name, value=json.dumps(value)))
        journal._engine.dispose()
        os.replace(beside, path)
        return cls(path, _engine(path))

    @classmethod
    def open(cls, path: Path) -> "Journal":
        """Open a journal that this version can read."""
        if not path.is_file():
            raise ValueError(f"no run in {path.parent}: expected a journal at {path}")
        journal = cls(path, _engine(path))
        found = journal.fact("format")
        if found != FORMAT:
            raise JournalError(
                f"{path} has journal format {found!r}, this version reads {FORMAT}; "
                "resume with the version that wrote it"
            )
        return journal

    def fact(self, name: str, default: Any = None) -> Any:
        """Return what is known of the run under this name."""
        with self._reading() as connection:
            value = connection.scalar(sql.select(_facts.c.value).where(_facts.c.name == name))
        return default if value is None else json.loads(value)

    def note(self, name: str, value: Any) -> None:
        """Remember a fact; None forgets it."""
        with self._writing() as connection:
            connection.execute(_facts.delete().where(_facts.c.name == name))
            if value is not None:
                connection.execute(_facts.insert().values(name=name, value=json.dumps(value)))

    def sit_down(self) -> None:
        """Begin a sitting: from here on time counts."""
        now = time.time()
        with self._writing() as connection:
            result = connection.execute(_sittings.insert().values(started=now, last_seen=now))
            key = result.inserted_primary_key
        self._sitting = key[0] if key else None

    def asked(self, candidate: Candidate, cost: Cost) -> None:
        """Remember a candidate before it is handed to anyone."""
        forecast = candidate.forecast
        with self._writing() as connection:
            connection.execute(
                _candidates.insert().values(
                    number=candidate.number,
                    genome=json.dumps(candidate.genome),
                    origin=candidate.origin,
                    forecast=json.dumps(asdict(forecast)) if forecast else None,
                    cost=json.dumps(asdict(cost)),
                )
            )
            self._seen(connection)

    def answered(self, answer: Answer) -> None:
        """Remember an answer before anything is made of it."""
        result = answer.result
        measured = result if isinstance(result, Estimate) else None
        with self._writing() as connection:
            connection.execute(
                _answers.insert().values(
                    number=answer.number,
                    quantity=answer.quantity,
                    value=measured.value if measured else None,
                    low=measured.low if measured else None,
                    high=measured.high if measured else None,
                    failure=None if measured else result,
                    worker=answer.worker,
                    seconds=answer.seconds,
                    attempt=answer.attempt,
                )
            )
            self._seen(connection)

    def candidates(self) -> list[tuple[Candidate, Cost]]:
        """Everything asked, in order."""
        with self._reading() as connection:
            rows = connection.execute(_candidates.select().order_by(_candidates.c.number)).all()
        return [
            (
                Candidate(row.number, tuple(json.loads(row.genome)), row.origin, _forecast(row)),
                Cost(**json.loads(row.cost)),
            )
            for row in rows
        ]

    def answers(self) -> dict[int, dict[str, Answer]]:
        """Everything answered, by candidate number and quantity."""
        with self._reading() as connection:
            rows = connection.execute(_answers.select()).all()
        found: dict[int, dict[str, Answer]] = {}
        for row in rows:
            result = row.failure or Estimate(row.value, row.low, row.high)
            found.setdefault(row.number, {})[row.quantity] = Answer(
                row.number, row.quantity, result, row.worker, row.seconds, row.attempt
            )
        return found

    def finetuned(self) -> list[Finetuned]:
        """Every network that was trained further, in order."""
        with self._reading() as connection:
            if not sql.inspect(connection).has_table(_finetuned.name):
                return []
            rows = connection.execute(_finetuned.select().order_by(_finetuned.c.number)).all()
        return [
            Finetuned(
                row.number,
                row.parent,
                json.loads(row.recipe),
                Estimate(**json.loads(row.error)),
                Estimate(**json.loads(row.final_error)),
            )
            for row in rows
        ]

    def trained_further(self, network: Finetuned) -> None:
        """Remember a network that was trained further, its files being safe already."""
        with self._writing() as connection:
            _finetuned.create(connection, checkfirst=True)
            connection.execute(
                _finetuned.insert().values(
                    number=network.number,
                    parent=network.parent,
                    recipe=json.dumps(dict(network.recipe)),
                    error=json.dumps(asdict(network.error)),
                    final_error=json.dumps(asdict(network.final_error)),
                )
            )

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

    def _seen(self, connection: sql.Connection) -> None:
        if self._sitting is not None:
            connection.execute(
                _sittings.update()
                .where(_sittings.c.id == self._sitting)
                .values(last_seen=time.time())
            )

    @contextmanager
    def _writing(self) -> Iterator[sql.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except OperationalError as error:
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


def archive_hash(entries: Sequence[tuple[Candidate, Mapping[str, float] | None]]) -> str:
    """SHA-256 of the canonical JSON of committed candidates with their objectives, in order.

    A failed candidate's objectives are null.
    """
    canonical = [
        {
            "number": candidate.number,
            "genome": list(candidate.genome),
            "objectives": None if objectives is None else dict(objectives),
        }
        for candidate, objectives in entries
    ]
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _forecast(row: Any) -> Forecast | None:
    if row.forecast is None:
        return None
    values = json.loads(row.forecast)
    return Forecast(tuple(values["objectives"]), tuple(values["tau"]))


def _engine(path: Path) -> sql.Engine:
    engine = sql.create_engine(f"sqlite:///{path}")

    @sql.event.listens_for(engine, "connect")
    def _durable(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=10000")

    return engine
