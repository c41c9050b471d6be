"""Dispatcher: leases jobs to a fleet of workers, and outlives the workers.

Each role has a queue and its own workers. Every attempt at a job is a lease with a deadline: a
dead or hung worker loses it, is replaced, and the job goes to the next one. A job that is slow is
attempted elsewhere, too; the first answer counts, and a later one is held against it.
"""

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from .fleet import Event, Fleet, Gone, Placed, Ready, WorkersLost, failed
from .job import Answer, Job, Quantity, Role
from .load import Load
from .pace import Pace

T = TypeVar("T")

ATTEMPTS = 3
"""Workers that may fail one job, by death or by slowness, their nodes being there still."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two answers to one job whose intervals do not meet, or of which one alone failed."""

    first: Answer
    second: Answer


@dataclass(slots=True, eq=False)
class _Task:
    """A job on its way to an answer."""

    job: Job
    queued: bool = True
    attempts: int = 0  # begun so far
    losses: int = 0  # of them, by the worker's death or slowness
    holders: int = 0  # workers that are at it
    answer: Answer | None = None


@dataclass(slots=True, eq=False)
class _Lease:
    """One attempt at a task: who holds it, and since when."""

    task: _Task
    worker: str
    attempt: int
    begun: float
    over: bool = False


@dataclass(slots=True)
class _Watch:
    """Over the jobs of one quantity: how long they take, and leases that may yet be slow."""

    pace: Pace
    leases: deque[_Lease] = field(default_factory=deque)

    def oldest(self) -> _Lease | None:
        """The oldest lease whose task another worker could attempt, too."""
        while self.leases:
            lease = self.leases[0]
            if not lease.over and lease.attempt == lease.task.attempts < ATTEMPTS:
                return lease
            self.leases.popleft()
        return None

    @property
    def next_slow(self) -> float:
        """The moment at which the oldest lease will be slow."""
        lease = self.oldest()
        return math.inf if lease is None else lease.begun + self.pace.slow_after


@dataclass(slots=True)
class _Desk:
    """One role's queue and workers. Leases and starts are in the order in which they began."""

    hedge: float
    watches: dict[Quantity, _Watch] = field(default_factory=dict)
    queue: deque[_Task] = field(default_factory=deque)
    workers: set[str] = field(default_factory=set)
    placed: set[str] = field(default_factory=set)  # those of them that run anywhere
    empty_since: float = 0.0  # if none does
    idle: deque[str] = field(default_factory=deque)
    starting: dict[str, float] = field(default_factory=dict)
    held: dict[str, _Lease] = field(default_factory=dict)
    losses: int = 0  # in a row
    lost: int = 0  # leases, in all
    hedged: int = 0
    disagreements: int = 0

    def watch(self, quantity: Quantity) -> _Watch:
        """The watch over the jobs of a quantity."""
        if quantity not in self.watches:
            self.watches[quantity] = _Watch(Pace(self.hedge))
        return self.watches[quantity]

    def queue_first(self, task: _Task) -> None:
        """Let the next free worker attempt the task."""
        task.queued = True
        self.queue.appendleft(task)


class Dispatcher:
    """Has jobs measured, whatever its workers do; it does not know what they are for.

    The fleet's clock is the only one, so that a fleet may be simulated.
    """

    START_SECONDS = 600.0
    PLACE_SECONDS = 30.0

    def __init__(
        self,
        fleet: Fleet,
        *,
        lease_seconds: float,
        hedge: float = 1.25,
        alarm: Callable[[Disagreement], None] = lambda _: None,
        missing: Callable[[tuple[Role, ...]], None] = lambda _: None,
    ) -> None:
        """A job is slow at `hedge` times what 95 % of the others take at most.

        `missing` is told of roles that have jobs and, for half a minute, no worker at any place;
        and again when that changes.
        """
        self._fleet = fleet
        self._lease_seconds = lease_seconds
        self._desks = {role: _Desk(hedge, empty_since=fleet.now()) for role in fleet.wanted()}
        self._roles: dict[str, Role] = {}  # of all workers
        self._answers: deque[Answer] = deque()
        self._due = 0
        self._serial = itertools.count()
        self._alarm = alarm
        self._tell_missing = missing
        self._missing: tuple[Role, ...] = ()
        self._hire()

    def submit(self, job: Job) -> None:
        """Queue a job."""
        desk = self._desks[job.role]
        desk.queue.append(_Task(job))
        self._due += 1
        self._assign(desk)

    def next_answer(self) -> Answer:
        """Wait for the next answer, in whatever order they come.

        A job that kills every worker is answered as failed. WorkersLost where the workers of a role
        die one after the other.
        """
        if not self._due:
            raise RuntimeError("nothing was submitted to wait for")
        while not self._answers:
            self._hire()
            self._look_for_missing()
            self._hear(self._fleet.wait(self._next_look()))
            self._look()
        self._due -= 1
        return self._answers.popleft()

    def load(self) -> Mapping[Role, Load]:
        """How every role fares at the moment."""
        return {
            role: Load(
                queued=len(desk.queue),
                hired=len(desk.workers),
                ready=len(desk.idle) + len(desk.held),
                busy=len(desk.held),
                lost=desk.lost,
                hedged=desk.hedged,
                disagreements=desk.disagreements,
            )
            for role, desk in self._desks.items()
        }

    def close(self) -> None:
        """End all workers."""
        self._fleet.close()

    def _hire(self) -> None:
        for role, size in self._fleet.wanted().items():
            desk = self._desks[role]
            while len(desk.workers) < size:
                worker = f"{role}-{next(self._serial)}"
                self._roles[worker] = role
                desk.workers.add(worker)
                self._fleet.hire(worker, role)

    def _hear(self, events: Iterable[Event]) -> None:
        for event in events:
            role = self._roles.get(event.worker)
            if role is None:
                continue  # it was dismissed meanwhile
            desk = self._desks[role]
            match event:
                case Placed(worker):
                    desk.placed.add(worker)
                    desk.starting[worker] = self._fleet.now()
                case Ready(worker):
                    del desk.starting[worker]
                    desk.idle.append(worker)
                case Gone(worker, reason, with_node):
                    self._lose(desk, worker, reason, blamed=not with_node)
                case _:
                    self._collect(desk, event)
            self._assign(desk)

    def _assign(self, desk: _Desk) -> None:
        while desk.queue and desk.idle:
            task = desk.queue.popleft()
            task.queued = False
            if task.answer is not None:
                continue  # it was slow and has answered before anyone was free
            worker = desk.idle.popleft()
            task.attempts += 1
            if task.holders:
                desk.hedged += 1
            task.holders += 1
            lease = _Lease(task, worker, task.attempts, self._fleet.now())
            desk.held[worker] = lease
            desk.watch(task.job.quantity).leases.append(lease)
            self._fleet.ask(worker, task.job)

    def _collect(self, desk: _Desk, answer: Answer) -> None:
        """Take an answer: the first to its job counts, unless it failed and another may come."""
        lease = desk.held.pop(answer.worker)
        task = lease.task
        task.holders -= 1
        lease.over = True
        desk.watch(task.job.quantity).pace.add(self._fleet.now() - lease.begun)
        desk.losses = 0
        desk.idle.append(answer.worker)
        if (answer.number, answer.quantity) != (task.job.number, task.job.quantity):
            answer = failed(task.job, f"an answer to another job: {answer}", lease.worker)
        answer = replace(answer, attempt=lease.attempt)
        if task.answer is not None:
            if _disagree(task.answer, answer):
                desk.disagreements += 1
                self._alarm(Disagreement(task.answer, answer))
        elif not (answer.failed and (task.holders or task.queued)):
            self._answer(task, answer)

    def _answer(self, task: _Task, answer: Answer) -> None:
        task.answer = answer
        self._answers.append(answer)

    def _lose(self, desk: _Desk, worker: str, reason: str, *, blamed: bool = True) -> None:
        """Replace a worker, unless too many are lost in a row; its job is handed on or given up.

        Neither the worker nor its job is to be `blamed` where the whole node has gone.
        """
        role = self._roles.pop(worker)
        self._fleet.dismiss(worker)
        desk.workers.remove(worker)
        if worker in desk.placed:
            desk.placed.remove(worker)
            desk.empty_since = self._fleet.now()
        desk.starting.pop(worker, None)
        desk.losses += blamed
        if desk.losses > ATTEMPTS * max(1, self._fleet.wanted()[role]):
            raise WorkersLost(f"every {role} dies, the last by: {reason}")
        self._hire()
        lease = desk.held.pop(worker, None)
        if lease is None:
            return
        desk.lost += 1
        task = lease.task
        task.holders -= 1
        task.losses += blamed
        lease.over = True
        if task.answer is not None or task.holders or task.queued:
            return
        if task.losses < ATTEMPTS:
            desk.queue_first(task)
            return
        told = f"lost {task.losses} workers, the last by: {reason}"
        answer = failed(task.job, told, worker)
        seconds = self._fleet.now() - lease.begun
        self._answer(task, replace(answer, seconds=seconds, attempt=lease.attempt))

    def _look_for_missing(self) -> None:
        """Tell of roles that nobody can do, though there are jobs."""
        missing = tuple(
            role
            for role, desk in self._desks.items()
            if desk.queue and not desk.placed and self._missing_from(desk) <= self._fleet.now()
        )
        if missing != self._missing:
            self._missing = missing
            self._tell_missing(missing)

    def _missing_from(self, desk: _Desk) -> float:
        return desk.empty_since + self.PLACE_SECONDS

    def _next_look(self) -> float:
        """The moment at which the next start or lease will be too late, or slow."""
        moments = [math.inf]
        for desk in self._desks.values():
            if desk.starting:
                moments.append(_first(desk.starting.values()) + self.START_SECONDS)
            if desk.held:
                moments.append(_first(desk.held.values()).begun + self._lease_seconds)
            moments += [watch.next_slow for watch in desk.watches.values()]
            if desk.queue and not desk.placed and self._missing_from(desk) > self._fleet.now():
                moments.append(self._missing_from(desk))
        return min(moments)

    def _look(self) -> None:
        """Replace who is too late, and have slow jobs attempted elsewhere, too."""
        now = self._fleet.now()
        for desk in self._desks.values():
            while desk.starting and _first(desk.starting.values()) + self.START_SECONDS <= now:
                reason = f"not loaded within {self.START_SECONDS:g} s"
                self._lose(desk, _first(desk.starting), reason)
            while desk.held and _first(desk.held.values()).begun + self._lease_seconds <= now:
                self._lose(desk, _first(desk.held), f"no answer within {self._lease_seconds:g} s")
            for watch in desk.watches.values():
                while watch.next_slow <= now:
                    lease = watch.leases.popleft()
                    if len(desk.workers) > 1:
                        desk.queue_first(lease.task)
            self._assign(desk)


def _first(of: Iterable[T]) -> T:
    return next(iter(of))


def _disagree(first: Answer, second: Answer) -> bool:
    if isinstance(first.result, str) or isinstance(second.result, str):
        return first.failed != second.failed
    return first.result.low > second.result.high or second.result.low > first.result.high
