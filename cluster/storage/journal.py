"""Journal: what was asked, answered and noted, in order. A run's state is a function of it.

Every entry carries a hash over itself and the one before, so that a journal which was cut or
edited is found out. When the call returns, an entry outlives any process; a loss of power, some
seconds later (on a server at once): what it takes is asked and measured again. Nothing is a pickle.
"""

import contextlib
import hashlib
import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

from ...actors.job import Answer
from ...methods.pruning.cost import Cost
from ...search.candidate import Candidate, Estimate, Forecast
from . import tenure
from .database import Database, JournalError
from .run_folder import TAKEN
from .schema import entries, runs, sittings
from .tenure import Superseded, Tenure
from .whole_file import publish, write_whole

FORMAT = 3
FILE, LINK = "journal.db", "journal.json"
"""In a run's folder: the journal itself, or where on a server it is."""


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

    def take(self, kind: str, body: str, hashed: str) -> None:
        """Take the next entry, with its hash."""
        self.hash = hashed
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

    def __init__(self, folder: Path, database: Database, run: str) -> None:
        self._folder = folder
        self._database = database
        self._run = run
        self._state = _State()
        self._tenure = Tenure(database, run, str(folder))
        self._sitting: int | None = None

    @classmethod
    def create(cls, folder: Path, facts: Mapping[str, Any], *, url: str | None = None) -> "Journal":
        """Make a run's journal whole or not at all, in its folder or in the database at `url`.

        A file is built beside and moved into place; where a database is, stands in a file. Of two
        that begin a run in one folder at once, one is refused by a ValueError.
        """
        run = uuid.uuid4().hex
        if url is None:
            beside = folder / f".{FILE}.{run}"
            try:
                cls._begun(folder, Database.in_file(beside), run, facts).close()
                _publish(beside, folder / FILE)
            finally:
                beside.unlink(missing_ok=True)
            return cls(folder, Database.in_file(folder / FILE), run)
        journal = cls._begun(folder, Database(url), run, facts)
        try:
            journal._link()
        except ValueError:
            journal._forget()
            raise
        return journal

    def lead_here(self) -> None:
        """Let a folder that was lost lead to its journal again, in whatever database it is."""
        if not self.exists(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._link()

    def _link(self) -> None:
        """Write into the folder in which database the journal is; ValueError where it has one."""
        link = {"url": self._database.address, "run": self._run}
        beside = write_whole(self._folder / f".{LINK}.{self._run}", json.dumps(link).encode())
        _publish(beside, self._folder / LINK)

    def _forget(self) -> None:
        """Remove a run that nothing leads to."""

        def remove(connection: sql.Connection) -> None:
            connection.execute(entries.delete().where(entries.c.run == self._run))
            connection.execute(runs.delete().where(runs.c.id == self._run))

        self._database.write(remove)
        self.close()

    @classmethod
    def _begun(
        cls, folder: Path, database: Database, run: str, facts: Mapping[str, Any]
    ) -> "Journal":
        database.migrate()
        begun = {"id": run, "folder": str(folder.absolute()), "term": 0, "until": 0.0}
        first: list[dict[str, Any]] = []
        for name, value in {"format": FORMAT, **facts}.items():
            before = first[-1]["hash"] if first else ""
            first.append(_entry(run, len(first), before, "noted", {"name": name, "value": value}))

        def begin(connection: sql.Connection) -> None:
            connection.execute(runs.insert().values(**begun, created=database.now(connection)))
            connection.execute(entries.insert(), first)

        database.write(begin)
        return cls(folder, database, run)

    @classmethod
    def open(cls, folder: Path, *, on: str | None = None) -> "Journal":
        """Open the journal of the run in a folder, or a copy of it in the database at `on`."""
        link = json.loads((folder / LINK).read_text()) if (folder / LINK).is_file() else {}
        url = on or link.get("url")
        if url is None and not (folder / FILE).is_file():
            raise ValueError(f"no run in {folder}: expected a journal at {folder / FILE}")
        database = Database(url) if url else Database.in_file(folder / FILE)
        try:
            database.require_current()
            journal = cls(folder, database, link.get("run") or _run_in(database, folder))
            journal.require_current()
        except (JournalError, ValueError):
            database.close()
            raise
        return journal

    @staticmethod
    def is_begun(folder: Path, url: str) -> bool:
        """Whether the database at `url` holds a run that was begun in a folder."""
        database = Database(url)
        return not database.is_empty and bool(_runs_in(database, folder))

    @classmethod
    def all_in(cls, url: str) -> list["Journal"]:
        """Open all journals in a database, in the order in which they were begun."""
        database = Database(url)
        database.require_current()
        begun = sql.select(runs.c.folder, runs.c.id).order_by(runs.c.created)
        rows = database.read(lambda connection: connection.execute(begun).all())
        return [cls(Path(folder), database, run) for folder, run in rows]

    def require_current(self) -> None:
        """Refuse what another version wrote."""
        if (found := self.fact("format")) != FORMAT:
            raise JournalError(
                f"{self._folder} has journal format {found}, this version reads {FORMAT}; "
                "resume with the version that wrote it"
            )

    @property
    def folder(self) -> Path:
        """Where the run's files are."""
        return self._folder

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether a folder holds a run."""
        return (folder / FILE).exists() or Journal.is_elsewhere(folder)

    @staticmethod
    def is_elsewhere(folder: Path) -> bool:
        """Whether a folder holds a run whose journal is in a database on a server."""
        return (folder / LINK).exists()

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
        self._database.write(self._tenure.take)
        self._read_news()
        with self._database.writing_ahead():
            ended = threading.Event()
            prolonging = threading.Thread(target=self._prolong, args=(ended,), daemon=True)
            prolonging.start()
            try:
                yield
            finally:
                ended.set()
                prolonging.join()
                with contextlib.suppress(JournalError):
                    self._database.write(self._tenure.give_up, patience_s=0.0)
                self._sitting = None

    def sit_down(self) -> None:
        """Begin a sitting: from here on, while the run is held, its time counts."""

        def begin(connection: sql.Connection) -> int:
            now = self._database.now(connection)
            sitting = sittings.insert().values(run=self._run, started=now, last_seen=now)
            (key,) = connection.execute(sitting).inserted_primary_key or (0,)
            return int(key)

        self._sitting = self._database.write(begin)

    @property
    def is_held(self) -> bool:
        """Whether a live process works on the run."""
        return self._database.read(self._tenure.is_held)

    @property
    def state(self) -> str:
        """One of running, stopped, complete, failed."""
        if self.is_held:
            return "running"
        if self.fact("completed"):
            return "complete"
        return "failed" if self.fact("failed") else "stopped"

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
        spent = sql.func.sum(sittings.c.last_seen - sittings.c.started)
        mine = sql.select(spent).where(sittings.c.run == self._run)
        return float(self._database.read(lambda connection: connection.scalar(mine)) or 0.0)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def _current(self) -> _State:
        """The state by now. Nobody else can have written while this process holds the run."""
        if not self._tenure.is_mine:
            self._read_news()
        return self._state

    def _read_news(self) -> None:
        """Read what was written since the last time, by whomever, and hold it against its hash."""
        state = self._state
        news = entries.select().where(entries.c.run == self._run, entries.c.number >= state.count)
        ordered = news.order_by(entries.c.number)
        rows = self._database.read(lambda connection: connection.execute(ordered).all())
        for row in rows:
            whole = row.number == state.count
            if not whole or row.hash != _chained(state.hash, row.kind, row.body):
                raise JournalError(
                    f"entry {row.number} of {self._database.address} does not follow from the one "
                    "before: the journal was cut or edited; use a copy that was not, by --on"
                )
            state.take(row.kind, row.body, row.hash)

    def _append(self, kind: str, values: Mapping[str, Any]) -> None:
        """Write an entry, in one transaction with the proof that this process may."""
        state = self._current()
        row = _entry(self._run, state.count, state.hash, kind, values)

        def write(connection: sql.Connection) -> None:
            self._prove(connection)
            connection.execute(entries.insert().values(row))

        try:
            self._database.write(write)
        except IntegrityError:
            self._require_written(state.count, row["hash"])
        state.take(kind, row["body"], row["hash"])

    def _require_written(self, number: int, hashed: str) -> None:
        """An entry may be there already: written just before its server was lost."""
        entry = sql.select(entries.c.hash).where(
            entries.c.run == self._run, entries.c.number == number
        )
        if self._database.read(lambda connection: connection.scalar(entry)) != hashed:
            raise Superseded(
                f"another process has written to {self._folder}: this one has stopped writing"
            )

    def _prove(self, connection: sql.Connection) -> None:
        """Make sure that this process may write; its sitting goes on."""
        self._tenure.prove(connection)
        if self._sitting is not None:
            sitting = sittings.update().where(sittings.c.id == self._sitting)
            connection.execute(sitting.values(last_seen=self._database.now(connection)))

    def _prolong(self, ended: threading.Event) -> None:
        """Say every few seconds that the holder lives, until it ends or is replaced."""
        while not ended.wait(tenure.HOLD_SECONDS / 6):
            try:
                self._database.write(self._prove, patience_s=0.0)
                self._database.flush()
            except JournalError:
                continue  # the next entry will tell
            except Superseded:
                return


def _publish(beside: Path, path: Path) -> None:
    try:
        publish(beside, path)
    except FileExistsError as error:
        raise ValueError(TAKEN.format(path.parent)) from error


def _entry(
    run: str, number: int, before: str, kind: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """A row of the journal, after one with the hash `before`."""
    body = json.dumps(values, allow_nan=False, separators=(",", ":"))
    hashed = _chained(before, kind, body)
    return {"run": run, "number": number, "kind": kind, "body": body, "hash": hashed}


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


def _runs_in(database: Database, folder: Path | None = None) -> list[str]:
    """The runs in a database, or those that were begun in a folder; the newest is the last."""
    begun = sql.select(runs.c.id).order_by(runs.c.created)
    if folder is not None:
        begun = begun.where(runs.c.folder == str(folder.absolute()))
    return list(database.read(lambda connection: connection.scalars(begun).all()))


def _run_in(database: Database, folder: Path) -> str:
    """The newest run that was begun in a folder, or the only one of a database."""
    known = _runs_in(database)
    found = _runs_in(database, folder) or (known if len(known) == 1 else [])
    if not found:
        raise ValueError(
            f"{database.address} holds {len(known)} runs, none of them begun in "
            f"{folder.absolute()}: give the folder of one, as `secateur runs {database.address}` "
            "lists them"
        )
    return found[-1]
