"""Tenure: one process at a time writes a run's journal, and one that was replaced no longer can."""

import json
import math
import os
import socket
import time
import uuid
from typing import Any

import sqlalchemy as sql

HOLD_SECONDS = 30.0
"""How long a holder that is not heard of keeps others from a run."""

_PROCESS = uuid.uuid4().hex
"""Tells this process from an earlier one with the same number."""


class RunBusy(RuntimeError):
    """Another process works on the run."""


class Superseded(RuntimeError):
    """Another process has taken the run over: this one must not write any more."""


class Tenure:
    """A process's claim to a run, as a row in the run's database.

    Every holder has a term of its own, a number that grows (a fencing number). A holder that dies
    is replaced at once on the same machine, after half a minute on another one.
    """

    def __init__(self, schema: sql.MetaData) -> None:
        self._row = sql.Table(
            "tenure",
            schema,
            sql.Column("term", sql.Integer, nullable=False),
            sql.Column("holder", sql.Text),  # JSON: host, pid, process; null between holders
            sql.Column("until", sql.Float, nullable=False),  # its end, if it is not prolonged
        )

    def establish(self, connection: sql.Connection) -> None:
        """Write the row that all holders change."""
        connection.execute(self._row.insert().values(term=0, until=0.0))

    def is_held(self, connection: sql.Connection) -> bool:
        """Whether a live process holds the run."""
        return _is_alive(connection.execute(self._row.select()).one())

    def take(self, connection: sql.Connection, run: str) -> int:
        """Hold the run and return the term, or raise RunBusy with what to do."""
        current = connection.execute(self._row.select()).one()
        if _is_alive(current):
            holder, rest = json.loads(current.holder), math.ceil(current.until - time.time())
            raise RunBusy(
                f"{run} is being worked on by another process, {holder['pid']} on "
                f"{holder['host']}: wait for it or stop it; if that machine is lost, try again in "
                f"{rest} s"
            )
        me = {"host": socket.gethostname(), "pid": os.getpid(), "process": _PROCESS}
        taken = self._row.update().where(self._row.c.term == current.term)
        taken = taken.values(term=current.term + 1, holder=json.dumps(me), until=_end())
        if connection.execute(taken).rowcount != 1:
            raise RunBusy(f"{run} was taken by another process just now: wait for it or stop it")
        return int(current.term) + 1

    def prove(self, connection: sql.Connection, term: int | None, run: str) -> None:
        """Prolong the term that this process holds; raise Superseded where it is over.

        Where this process holds none, nobody may. It is the first statement of a transaction, so
        that nobody can take the run over before its end.
        """
        mine = self._row.c.holder.is_(None) if term is None else self._row.c.term == term
        if connection.execute(self._row.update().where(mine).values(until=_end())).rowcount != 1:
            raise Superseded(f"another process works on {run} by now: this one has stopped writing")

    def give_up(self, connection: sql.Connection, term: int) -> None:
        """End a term, if it is not over yet."""
        mine = self._row.update().where(self._row.c.term == term)
        connection.execute(mine.values(holder=None))


def _end() -> float:
    return time.time() + HOLD_SECONDS


def _is_alive(row: Any) -> bool:
    """Whether the holder lives: heard of lately and, on this machine, still a process."""
    if row.holder is None or row.until < time.time():
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
