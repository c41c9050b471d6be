"""Tenure: one process at a time writes a run's journal, and one that was replaced no longer can."""

import json
import math
import os
import socket
import uuid
from typing import Any

import sqlalchemy as sql

from .database import Database
from .schema import runs

HOLD_SECONDS = 30.0
"""How long a holder that is not heard of keeps others from a run."""

_PROCESS = uuid.uuid4().hex
"""Tells this process from an earlier one with the same number."""


class RunBusy(RuntimeError):
    """Another process works on the run."""


class Superseded(RuntimeError):
    """Another process has taken the run over: this one must not write any more."""


class Tenure:
    """This process's claim to a run.

    Every holder has a term of its own, a number that grows (a fencing number). A holder that dies
    is replaced at once on the same machine, after half a minute on another one.
    """

    def __init__(self, database: Database, run: str, place: str) -> None:
        """Take the run's id, and its place to name it by."""
        self._database = database
        self._row = runs.c.id == run
        self._place = place
        self._term: int | None = None

    @property
    def is_mine(self) -> bool:
        """Whether this process has taken the run and not given it up; it may be replaced by now."""
        return self._term is not None

    def is_held(self, connection: sql.Connection) -> bool:
        """Whether a live process holds the run, this one or another."""
        return self._is_alive(connection, self._read(connection))

    def take(self, connection: sql.Connection) -> None:
        """Hold the run, or raise RunBusy with what to do."""
        current = self._read(connection)
        if self._is_alive(connection, current):
            holder = json.loads(current.holder)
            rest = math.ceil(current.until - self._database.now(connection))
            raise RunBusy(
                f"{self._place} is being worked on by another process, {holder['pid']} on "
                f"{holder['host']}: wait for it or stop it; if that machine is lost, try again in "
                f"{rest} s"
            )
        me = {"host": socket.gethostname(), "pid": os.getpid(), "process": _PROCESS}
        values = {
            "term": current.term + 1,
            "holder": json.dumps(me),
            "until": self._end(connection),
        }
        if not self._change(connection, runs.c.term == current.term, values):
            raise RunBusy(f"{self._place} was taken by another process just now: wait or stop it")
        self._term = current.term + 1

    def prove(self, connection: sql.Connection) -> None:
        """Prolong the term that this process holds; raise Superseded where it is over.

        Where this process holds none, nobody may. It is the first change in a transaction, so that
        nobody can take the run over before its end.
        """
        mine = runs.c.holder.is_(None) if self._term is None else runs.c.term == self._term
        if not self._change(connection, mine, {"until": self._end(connection)}):
            raise Superseded(
                f"another process works on {self._place} by now: this one has stopped writing"
            )

    def give_up(self, connection: sql.Connection) -> None:
        """End the term, if it is not over yet."""
        self._change(connection, runs.c.term == self._term, {"holder": None})
        self._term = None

    def _read(self, connection: sql.Connection) -> Any:
        return connection.execute(runs.select().where(self._row)).one()

    def _change(self, connection: sql.Connection, condition: Any, values: dict[str, Any]) -> bool:
        change = runs.update().where(self._row, condition).values(values)
        return connection.execute(change).rowcount == 1

    def _end(self, connection: sql.Connection) -> float:
        return self._database.now(connection) + HOLD_SECONDS

    def _is_alive(self, connection: sql.Connection, row: Any) -> bool:
        """Whether the holder is heard of lately and, on this machine, still a process."""
        if row.holder is None or row.until < self._database.now(connection):
            return False
        holder = json.loads(row.holder)
        if holder["host"] != socket.gethostname():
            return True
        if holder["pid"] == os.getpid():
            return bool(holder["process"] == _PROCESS)
        try:
            os.kill(holder["pid"], 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True
