"""Ray fleet: workers as Ray actors."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from .fleet import Crew, Event, Gone, Ready, failed
from .job import Answer, Job, Role
from .worker import Measure, Worker


class RayFleet:
    """Every worker is an actor of its own; payloads are put into Ray's object store once.

    Ray must be initialised. An actor that dies stays dead: the dispatcher hires another one.
    """

    def __init__(self, crews: Mapping[Role, Crew]) -> None:
        self._crews = dict(crews)
        self._payloads = {role: ray.put(crew.payload) for role, crew in crews.items()}
        self._handles: dict[str, Any] = {}
        self._pending: dict[Any, tuple[str, Job | None]] = {}  # no job: it is loading

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def wanted(self) -> Mapping[Role, int]:
        """The sizes of the crews."""
        return {role: crew.size for role, crew in self._crews.items()}

    def hire(self, worker: str, role: Role) -> None:
        """Start an actor as soon as Ray has the resources."""
        crew = self._crews[role]
        actor = ray.remote(_Loader).options(num_cpus=crew.cpus, max_restarts=0)
        handle: Any = actor.remote(worker, crew.load, self._payloads[role], crew.cores)
        self._handles[worker] = handle
        self._pending[handle.is_loaded.remote()] = (worker, None)

    def ask(self, worker: str, job: Job) -> None:
        """Send the job to the worker's actor."""
        self._pending[self._handles[worker].measure.remote(job)] = (worker, job)

    def dismiss(self, worker: str) -> None:
        """Kill the actor."""
        ray.kill(self._handles.pop(worker))
        self._pending = {ref: of for ref, of in self._pending.items() if of[0] != worker}

    def wait(self, until: float) -> Sequence[Event]:
        """Return all that is finished; where nothing is, wait for the first that is."""
        references = list(self._pending)
        if not references:
            return []
        done, _ = ray.wait(references, num_returns=len(references), timeout=0)
        if not done:
            timeout = max(0.0, until - self.now())
            done, _ = ray.wait(references, num_returns=1, timeout=min(timeout, 3600.0))
        return [self._event(reference) for reference in done]

    def close(self) -> None:
        """Kill all actors."""
        for worker in list(self._handles):
            self.dismiss(worker)

    def _event(self, reference: Any) -> Event:
        worker, job = self._pending.pop(reference)
        try:
            result = ray.get(reference)
        except RayActorError as error:
            return Gone(worker, _reason(error))
        except RayTaskError as error:
            return Gone(worker, _reason(error)) if job is None else failed(job, error.cause, worker)
        if job is None:
            return Ready(worker)
        if not isinstance(result, Answer):
            return failed(job, f"expected an answer, got {type(result).__name__}", worker)
        return result


class _Loader(Worker):
    """A worker whose payload comes out of Ray's object store."""

    def __init__(
        self, name: str, load: Callable[[Any], Measure], payload: Any, cores: Collection[int]
    ) -> None:
        super().__init__(name, lambda: load(payload), cores)

    def is_loaded(self) -> None:
        """Return once the worker can measure."""


def _reason(error: Exception) -> str:
    """The last telling line of Ray's long report."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "Error" in line and not line.startswith("ray.")]
    return (telling or lines or ["unknown"])[-1]
