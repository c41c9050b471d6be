"""Ray fleet: workers as Ray actors."""

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import Any

import ray
from ray.exceptions import ObjectStoreFullError, OutOfDiskError, RayError, RayTaskError

from .fleet import Crew, Event, Gone, Placed, Ready, WorkersLost, failed
from .job import Answer, Job, Role
from .worker import Measure, Worker

RESOURCE = "profiler:"
"""What the custom resource of a node that measures latencies begins with; its name follows."""


class RayFleet:
    """Every worker is an actor of its own; payloads are put into Ray's object store once.

    Ray must be initialised. An actor that dies stays dead: the dispatcher hires another one. One
    that there is no room for waits until a node joins, which Ray's autoscaler may see to. A node
    whose custom resources a crew needs is that crew's alone: others would disturb what it measures.
    """

    LOOK_SECONDS = 5.0

    def __init__(self, crews: Mapping[Role, Crew]) -> None:
        self._crews = dict(crews)
        self._roles: dict[str, Role] = {}
        self._payloads = {role: _stored(role, crew.payload) for role, crew in crews.items()}
        self._handles: dict[str, Any] = {}
        self._nodes: dict[str, str] = {}  # where the placed ones are
        self._pending: dict[Any, tuple[str, Job | _Step]] = {}
        self._wanted: tuple[float, dict[Role, int]] = (-math.inf, {})

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def wanted(self) -> Mapping[Role, int]:
        """The sizes of the crews; what a crew without one has room for, every few seconds anew."""
        looked, sizes = self._wanted
        if self.now() - looked >= self.LOOK_SECONDS:
            elastic = any(crew.size is None for crew in self._crews.values())
            nodes = [node["Resources"] for node in alive_nodes()] if elastic else []
            sizes = sizes_of(self._crews, nodes)
            self._wanted = (self.now(), sizes)
        return sizes

    def hire(self, worker: str, role: Role) -> None:
        """Start an actor as soon as Ray has the resources."""
        crew = self._crews[role]
        actor = ray.remote(_Actor).options(
            num_cpus=crew.cpus,
            num_gpus=crew.gpus,
            resources=dict(crew.resources),
            scheduling_strategy="SPREAD",
            label_selector=self._elsewhere(crew),
            max_restarts=0,
        )
        handle: Any = actor.remote()
        self._roles[worker] = role
        self._handles[worker] = handle
        self._pending[handle.place.remote()] = (worker, _Step.PLACING)
        loading = handle.load.remote(worker, crew.load, self._payloads[role], crew.cores)
        self._pending[loading] = (worker, _Step.LOADING)

    def ask(self, worker: str, job: Job) -> None:
        """Send the job to the worker's actor."""
        self._pending[self._handles[worker].measure.remote(job)] = (worker, job)

    def dismiss(self, worker: str) -> None:
        """Kill the actor."""
        ray.kill(self._handles.pop(worker))
        self._nodes.pop(worker, None)
        self._roles.pop(worker, None)
        self._pending = {ref: of for ref, of in self._pending.items() if of[0] != worker}

    def wait(self, until: float) -> Sequence[Event]:
        """Return all that is finished; where nothing is, wait for the first that is."""
        references = list(self._pending)
        timeout = min(max(0.0, until - self.now()), self.LOOK_SECONDS)
        if not references:
            time.sleep(timeout)
            return []
        done, _ = ray.wait(references, num_returns=len(references), timeout=0)
        if not done:
            done, _ = ray.wait(references, num_returns=1, timeout=timeout)
        finished = set(done)  # in the order in which they were asked for
        return [self._event(reference) for reference in references if reference in finished]

    def close(self) -> None:
        """Kill all actors."""
        for worker in list(self._handles):
            self.dismiss(worker)

    def _event(self, reference: Any) -> Event:
        worker, job = self._pending.pop(reference)
        try:
            result = ray.get(reference)
        except RayTaskError as error:
            if isinstance(job, Job):
                return failed(job, error.cause, worker)
            return Gone(worker, _reason(error))
        except RayError as error:  # it died, or Ray has ended it, for want of memory maybe
            return Gone(worker, _reason(error), with_node=not self._has_node(worker))
        if job is _Step.PLACING:
            self._nodes[worker] = result
            if result in self._kept_from(self._crews[self._roles[worker]]):
                return Gone(worker, "its node has joined for others", with_node=True)
            return Placed(worker)
        if job is _Step.LOADING:
            return Ready(worker)
        if not isinstance(result, Answer):
            return failed(job, f"expected an answer, got {type(result).__name__}", worker)
        return result

    def _kept_from(self, crew: Crew) -> list[str]:
        """The nodes that are there for crews with custom resources, unless this is one."""
        if crew.resources or not any(other.resources for other in self._crews.values()):
            return []
        nodes = alive_nodes()
        return [one["NodeID"] for one in nodes if _is_kept(one["Resources"], self._crews)]

    def _elsewhere(self, crew: Crew) -> dict[str, str]:
        """Ray's words for anywhere but there; who is placed there all the same goes at once."""
        kept = self._kept_from(crew)
        return {"ray.io/node-id": f"!in({','.join(kept)})"} if kept else {}

    def _has_node(self, worker: str) -> bool:
        """Whether the worker's node is there; one that was nowhere yet has lost none."""
        node = self._nodes.get(worker)
        return node is None or any(one["NodeID"] == node for one in alive_nodes())


class _Step(Enum):
    """What a worker does before it takes jobs."""

    PLACING = "placing"
    LOADING = "loading"


class _Actor:
    """A process of Ray's that becomes a worker."""

    def place(self) -> str:
        """Return the node: whoever is answered knows that the process runs there."""
        return str(ray.get_runtime_context().get_node_id())

    def load(
        self, name: str, load: Callable[[Any], Measure], payload: Any, cores: Collection[int]
    ) -> None:
        """Load what comes out of Ray's object store; return once the worker can measure."""
        self._worker = Worker(name, lambda: load(payload), cores)

    def measure(self, job: Job) -> Answer:
        """Measure one quantity."""
        return self._worker.measure(job)


def alive_nodes() -> list[dict[str, Any]]:
    """What Ray knows of the nodes that are there."""
    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def sizes_of(crews: Mapping[Role, Crew], nodes: Sequence[Mapping[str, float]]) -> dict[Role, int]:
    """Return how many workers each crew should have on nodes with these resources.

    A crew without a size fills the nodes, each as far as it goes, after the others have had
    theirs; but none that is kept for another crew.
    """
    free = [dict(node) for node in nodes if not _is_kept(node, crews)]
    kept = [dict(node) for node in nodes if _is_kept(node, crews)]
    sizes: dict[Role, int] = {}
    for role, crew in crews.items():
        if crew.size is not None:
            sizes[role] = crew.size
            for _ in range(crew.size):
                _take(crew, kept if crew.resources else free)
    for role, crew in crews.items():
        if crew.size is None:
            sizes[role] = 0
            while _take(crew, kept if crew.resources else free):
                sizes[role] += 1
    return sizes


def _is_kept(node: Mapping[str, float], crews: Mapping[Role, Crew]) -> bool:
    """Whether a node has a custom resource that a crew needs."""
    return any(name in node for crew in crews.values() for name in crew.resources)


def _take(crew: Crew, free: Sequence[dict[str, float]]) -> bool:
    """Take one worker's resources from the first node that has them, if any has."""
    needs = {"CPU": crew.cpus, "GPU": crew.gpus, **crew.resources}
    for node in free:
        if all(node.get(name, 0.0) >= amount for name, amount in needs.items()):
            for name, amount in needs.items():
                node[name] = node.get(name, 0.0) - amount
            return True
    return False


def _stored(role: Role, payload: Any) -> Any:
    """Put what a role loads into the object store, or beyond it on the disk."""
    try:
        return ray.put(payload)
    except (ObjectStoreFullError, OutOfDiskError) as error:
        raise WorkersLost(
            f"no room for what every {role} loads: Ray's object store is full, and so is the disk "
            "that it would use then; make room there (ray memory, df)"
        ) from error


def _reason(error: Exception) -> str:
    """The last telling line of Ray's long report."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "Error" in line and not line.startswith("ray.")]
    return (telling or lines or ["unknown"])[-1]
