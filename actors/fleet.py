"""Fleet: the workers as the dispatcher sees them - hired, asked, ended, heard from."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .job import Answer, Job, Role
from .worker import Measure, Worker


class WorkersLost(RuntimeError):
    """No worker of a role stays alive or can be started: going on would only burn time."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A worker has a place to run at, and loads."""

    worker: str


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker has loaded and can measure."""

    worker: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A worker died or could not load: of its job, maybe, unless it went `with_node`."""

    worker: str
    reason: str
    with_node: bool = False


Event = Placed | Ready | Gone | Answer
"""What is heard of workers; an answer names its worker."""


class Fleet(Protocol):
    """Workers of several roles. It knows nothing of attempts, deadlines or the jobs' meaning."""

    def now(self) -> float:
        """The fleet's own clock, in seconds."""
        ...

    def wanted(self) -> Mapping[Role, int]:
        """How many workers of each role there should be."""
        ...

    def hire(self, worker: str, role: Role) -> None:
        """Start a worker; `Placed` follows as soon as there is room, then `Ready` or `Gone`."""
        ...

    def ask(self, worker: str, job: Job) -> None:
        """Let an idle worker measure; its answer or `Gone` follows."""
        ...

    def dismiss(self, worker: str) -> None:
        """End a worker, whatever it does; nothing more is heard of it."""
        ...

    def wait(self, until: float) -> Sequence[Event]:
        """Return what has happened as soon as something has, or nothing at that moment."""
        ...

    def close(self) -> None:
        """End all workers."""
        ...


@dataclass(frozen=True, slots=True)
class Crew:
    """How many workers of one role there are, what they load and where they may run.

    Each worker calls `load(payload)` in its own process. No size: as many as there is room for, at
    any time. `resources` are Ray's custom ones, such as those of the nodes that profile.
    """

    size: int | None
    load: Callable[[Any], Measure]
    payload: Any
    cores: frozenset[int] = frozenset()
    cpus: float = 1.0
    gpus: float = 0.0
    resources: Mapping[str, float] = field(default_factory=dict)


def failed(job: Job, error: BaseException | str, worker: str) -> Answer:
    """The answer to a job whose measurement raised."""
    reason = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return Answer(job.number, job.quantity, reason, worker, 0.0)


class LocalFleet:
    """The twin without Ray: one worker of each role in this process, one job after another."""

    def __init__(self, crews: Mapping[Role, Crew]) -> None:
        self._crews = dict(crews)
        self._workers: dict[str, Worker] = {}
        self._asked: deque[tuple[str, Job]] = deque()
        self._coming: deque[Placed | Ready] = deque()

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def wanted(self) -> Mapping[Role, int]:
        """One of each."""
        return dict.fromkeys(self._crews, 1)

    def hire(self, worker: str, role: Role) -> None:
        """Load at once; what is raised then, is raised here."""
        crew = self._crews[role]
        self._workers[worker] = Worker(worker, lambda: crew.load(crew.payload))
        self._coming += [Placed(worker), Ready(worker)]

    def ask(self, worker: str, job: Job) -> None:
        """Remember the job."""
        self._asked.append((worker, job))

    def dismiss(self, worker: str) -> None:
        """Forget the worker."""
        self._workers.pop(worker, None)

    def wait(self, until: float) -> Sequence[Event]:  # noqa: ARG002 - nothing takes time here
        """Measure the oldest job."""
        if self._coming:
            return [self._coming.popleft()]
        if not self._asked:
            return []
        worker, job = self._asked.popleft()
        try:
            return [self._workers[worker].measure(job)]
        except Exception as error:
            return [failed(job, error, worker)]

    def close(self) -> None:
        """Forget all workers."""
        self._workers.clear()
