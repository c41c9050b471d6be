"""Dispatcher: leases jobs to workers on Ray, and outlives the workers.

Each role has a queue and its own workers. Every attempt at a job is a lease with a deadline: a
dead or hung worker loses it, is replaced, and the job goes to the next one.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import ray
from ray.exceptions import RayActorError, RayTaskError

from .job import Answer, Job, Lease, Role, Start
from .worker import Measure, Worker


class Dispatcher(Protocol):
    """Has jobs measured. It does not know what they are for."""

    def submit(self, job: Job) -> None:
        """Queue a job."""
        ...

    def next_answer(self) -> Answer:
        """Wait for the next answer, in whatever order they come."""
        ...


class WorkersLost(RuntimeError):
    """No worker of a role stays alive: going on would only burn time."""


@dataclass(frozen=True, slots=True)
class Crew:
    """How many workers of one role there are, what they load and where they may run.

    `payload` is put into Ray's object store once; each worker calls `load(payload)` in its own
    process.
    """

    size: int
    load: Callable[[Any], Measure]
    payload: Any
    cores: frozenset[int] = frozenset()
    cpus: float = 1.0


class LocalDispatcher:
    """The twin without Ray: measures in this process, one job after another."""

    def __init__(self, crews: Mapping[Role, Crew]) -> None:
        self._workers = {
            role: Worker(f"local-{role}", lambda crew=crew: crew.load(crew.payload))  # type: ignore[misc]
            for role, crew in crews.items()
        }
        self._queue: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._queue.append(job)

    def next_answer(self) -> Answer:
        """Measure the oldest job."""
        job = self._queue.popleft()
        try:
            return self._workers[job.role].measure(job)
        except Exception as error:
            return _failed(job, error, f"local-{job.role}", attempt=1)


class RayDispatcher:
    """Leases jobs to Ray actors. Ray must be initialised."""

    ATTEMPTS = 3
    START_SECONDS = 600.0

    def __init__(self, crews: Mapping[Role, Crew], *, lease_seconds: float) -> None:
        self._crews = dict(crews)
        self._lease_seconds = lease_seconds
        self._payloads = {role: ray.put(crew.payload) for role, crew in crews.items()}
        self._queues: dict[Role, deque[tuple[Job, int]]] = {role: deque() for role in crews}
        self._handles: dict[str, Any] = {}
        self._idle: dict[Role, list[str]] = {role: [] for role in crews}
        self._starts: dict[ray.ObjectRef[None], Start] = {}
        self._leases: dict[ray.ObjectRef[Answer], Lease] = {}
        self._losses: dict[Role, int] = dict.fromkeys(crews, 0)
        self._given_up: deque[Answer] = deque()
        self._serial = itertools.count()
        for role, crew in crews.items():
            for _ in range(crew.size):
                self._hire(role)

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._queues[job.role].append((job, 1))
        self._assign()

    def next_answer(self) -> Answer:
        """Wait for the next answer; a job that kills every worker is answered as failed.

        WorkersLost where the workers of a role die one after the other.
        """
        while True:
            self._assign()
            if self._given_up:
                return self._given_up.popleft()
            assert self._leases or any(self._queues.values()), "nothing was submitted to wait for"
            waiting: dict[Any, Start | Lease] = {**self._starts, **self._leases}
            soonest = min(one.deadline for one in waiting.values())
            done, _ = ray.wait(
                list(waiting), num_returns=1, timeout=max(0.0, soonest - time.monotonic())
            )
            for reference in done:
                if reference in self._starts:
                    self._welcome(reference)
                elif (answer := self._collect(reference)) is not None:
                    return answer
            self._expire()

    def close(self) -> None:
        """End all workers."""
        for handle in self._handles.values():
            ray.kill(handle)
        self._handles.clear()

    def _hire(self, role: Role) -> None:
        crew = self._crews[role]
        name = f"{role}-{next(self._serial)}"
        actor = ray.remote(_Loader).options(num_cpus=crew.cpus, max_restarts=0)
        handle: Any = actor.remote(name, crew.load, self._payloads[role], crew.cores)
        self._handles[name] = handle
        start = Start(role, name, time.monotonic() + self.START_SECONDS)
        self._starts[handle.is_loaded.remote()] = start

    def _welcome(self, reference: ray.ObjectRef[None]) -> None:
        """Take a worker that has loaded, or replace one that could not."""
        start = self._starts.pop(reference)
        try:
            ray.get(reference)
        except (RayActorError, RayTaskError) as error:
            self._replace(start.role, start.worker, _reason(error))
        else:
            self._idle[start.role].append(start.worker)

    def _assign(self) -> None:
        for role, queue in self._queues.items():
            while queue and self._idle[role]:
                job, attempt = queue.popleft()
                worker = self._idle[role].pop(0)
                reference = self._handles[worker].measure.remote(job)
                deadline = time.monotonic() + self._lease_seconds
                self._leases[reference] = Lease(job, worker, attempt, deadline)

    def _collect(self, reference: ray.ObjectRef[Answer]) -> Answer | None:
        """Take a finished lease: its answer, or None where the worker died and the job goes on."""
        lease = self._leases.pop(reference)
        role = lease.job.role
        try:
            answer: Answer = replace(ray.get(reference), attempt=lease.attempt)
        except RayActorError as error:
            self._lose(lease, _reason(error))
            return None
        except RayTaskError as error:
            answer = _failed(lease.job, error.cause, lease.worker, attempt=lease.attempt)
        self._losses[role] = 0
        self._idle[role].append(lease.worker)
        return answer

    def _expire(self) -> None:
        now = time.monotonic()
        for reference, lease in list(self._leases.items()):
            if lease.deadline <= now:
                del self._leases[reference]
                self._lose(lease, f"no answer within {self._lease_seconds:g} s")
        for loading, start in list(self._starts.items()):
            if start.deadline <= now:
                del self._starts[loading]
                reason = f"not loaded within {self.START_SECONDS:g} s"
                self._replace(start.role, start.worker, reason)

    def _lose(self, lease: Lease, reason: str) -> None:
        """Replace the worker of a lost lease and hand the job on, or give it up."""
        job, attempt = lease.job, lease.attempt
        self._replace(job.role, lease.worker, reason)
        if attempt < self.ATTEMPTS:
            self._queues[job.role].appendleft((job, attempt + 1))
            return
        told = f"lost {attempt} workers, the last by: {reason}"
        self._given_up.append(
            Answer(job.number, job.quantity, told, lease.worker, self._lease_seconds, attempt)
        )

    def _replace(self, role: Role, worker: str, reason: str) -> None:
        """Put a new worker in the place of a lost one, unless too many were lost in a row."""
        ray.kill(self._handles.pop(worker))
        self._losses[role] += 1
        if self._losses[role] > self.ATTEMPTS * self._crews[role].size:
            raise WorkersLost(f"every {role} dies, the last by: {reason}")
        self._hire(role)


class _Loader(Worker):
    """A worker whose payload comes out of Ray's object store."""

    def __init__(
        self, name: str, load: Callable[[Any], Measure], payload: Any, cores: Collection[int]
    ) -> None:
        super().__init__(name, lambda: load(payload), cores)

    def is_loaded(self) -> None:
        """Return once the worker can measure."""


def _failed(job: Job, error: BaseException, worker: str, *, attempt: int) -> Answer:
    reason = f"{type(error).__name__}: {error}"
    return Answer(job.number, job.quantity, reason, worker, 0.0, attempt)


def _reason(error: Exception) -> str:
    """The last telling line of Ray's long report."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "Error" in line and not line.startswith("ray.")]
    return (telling or lines or ["unknown"])[-1]
