"""Doctor: what a Ray cluster has, what it lacks for a search, and what to do about it."""

import importlib.metadata
import os
import platform
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ...actors.ray_fleet import RESOURCE, alive_nodes
from ...methods.import_path import resolve
from ..settings.config import Config

PACKAGES = ("secateur", "ray", "torch", "onnxruntime", "numpy")
"""What must be the same on all nodes: a search sends its values from one to the other."""

SKEW_S = 1.0
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a diagnosis: whether all is well, what was seen, and what to do if it is not."""

    well: bool
    seen: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it tells of itself; no versions where it does not answer."""

    name: str
    resources: Mapping[str, float]
    versions: Mapping[str, str] | None
    skew_s: float = 0.0
    authentication: str = "disabled"
    is_open: bool = False  # Ray's ports can be reached from beyond the machine
    lacking: str | None = None  # why the network cannot be built there

    @property
    def profilers(self) -> list[str]:
        """The names under which this node measures latencies."""
        return [name.removeprefix(RESOURCE) for name in self.resources if name.startswith(RESOURCE)]


@dataclass(frozen=True, slots=True)
class _Told:
    """What a node says when it is asked."""

    versions: Mapping[str, str]
    authentication: str
    is_open: bool
    lacking: str | None


def examine(config: Config | None = None) -> Iterator[Finding]:
    """Examine the Ray cluster that this process has joined, and what a configuration needs of it.

    Data and weights are not looked for: the coordinator alone reads them.
    """
    nodes = [_asked(node, config.network.factory if config else None) for node in alive_nodes()]
    if config is None:
        yield from diagnose(nodes, versions())
    else:
        timed = bool(config.latencies)
        yield from diagnose(nodes, versions(), _profilers(config), timed=timed)


def _profilers(config: Config) -> list[str]:
    """The names of the nodes that are to measure latencies."""
    named = [one.profiler or config.workers.profiler for one in config.latencies.values()]
    return [name for name in dict.fromkeys(named) if name]


def diagnose(
    nodes: Sequence[Node],
    here: Mapping[str, str],
    wanted: Sequence[str] = (),
    *,
    timed: bool = True,
) -> Iterator[Finding]:
    """Tell what nodes are fit for, beside the versions `here`, and of the profilers `wanted`.

    Where no latency is `timed`, none has to be there.
    """
    cpus, gpus = (sum(node.resources.get(kind, 0.0) for node in nodes) for kind in ("CPU", "GPU"))
    yield Finding(
        cpus >= 1,
        f"{len(nodes)} node{'s' if len(nodes) > 1 else ''}: {cpus:g} CPUs, {gpus:g} GPUs",
        "evaluators need CPUs: join a node by ray start --address=HEAD:6379",
    )
    profilers = [(name, node.name) for node in nodes for name in node.profilers]
    joining = """ray start --address=HEAD:6379 --resources='{"profiler:NAME": 1}'"""
    yield Finding(
        bool(profilers) or not timed,
        ", ".join(f"profiler {name} on {node}" for name, node in profilers) or "no profiler",
        "a search for latency measures on any node: where they differ, join the one that counts by "
        + joining,
    )
    for name in wanted:
        if name not in dict(profilers):
            advice = f"its latencies would wait for one: join it by {joining}"
            yield Finding(False, f"the search's profiler, {name}, is not there", advice)
    for node in nodes:
        yield _finding(node, here)
    for node in nodes:
        if node.lacking is not None:
            advice = "install it there, or join the node from the folder that holds it"
            yield Finding(False, f"{node.name} lacks the network: {node.lacking}", advice)
    open_to_all = [one.name for one in nodes if one.is_open and one.authentication != "token"]
    yield Finding(
        not open_to_all,
        f"{', '.join(open_to_all)} can be reached from the network without a token"
        if open_to_all
        else "no node can be reached from the network without a token",
        "whoever reaches Ray's ports can run code: set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH "
        "on all nodes, or keep the network to yourself",
    )


def versions() -> dict[str, str]:
    """What is installed here."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def _finding(node: Node, here: Mapping[str, str]) -> Finding:
    if node.versions is None:
        advice = "stop Ray there and join it again; see its logs in /tmp/ray"
        return Finding(False, f"{node.name} does not answer within {PATIENCE_S:g} s", advice)
    other = {name: found for name, found in node.versions.items() if found != here.get(name)}
    if other:
        told = ", ".join(f"{name} {found} (here {here.get(name)})" for name, found in other.items())
        return Finding(False, f"{node.name} has {told}", "install the same versions on all nodes")
    if abs(node.skew_s) > SKEW_S:
        advice = "keep the clocks together, by NTP: logs and leases on a server go by them"
        return Finding(False, f"{node.name}'s clock is {node.skew_s:+.1f} s off", advice)
    return Finding(True, f"{node.name}: {node.resources.get('CPU', 0):g} CPUs, the same versions")


def _asked(node: Mapping[str, Any], factory: str | None) -> Node:
    """Ask a node what it has, by a task that runs there."""
    name, resources = node["NodeManagerHostname"], node["Resources"]
    there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    task = ray.remote(_told).options(num_cpus=0, scheduling_strategy=there)
    clock = ray.remote(_clock).options(num_cpus=0, scheduling_strategy=there)
    try:
        told = ray.get(task.remote(node["NodeManagerPort"], factory), timeout=PATIENCE_S)
        begun = time.time()  # by now its worker has started, and answers at once
        read = ray.get(clock.remote(), timeout=PATIENCE_S)
    except (ray.exceptions.RayError, TimeoutError):
        return Node(name, resources, None)
    skew_s = _skew(begun, read, time.time())
    return Node(
        name, resources, told.versions, skew_s, told.authentication, told.is_open, told.lacking
    )


def _clock() -> float:
    return time.time()


def _skew(begun: float, read: float, ended: float) -> float:
    """By how much a clock is off, at least, that was read between two moments of ours."""
    return min(0.0, read - begun) + max(0.0, read - ended)


def _told(port: int, factory: str | None) -> _Told:
    """Tell of the node that this runs on, whose Ray hands its own environment to its workers."""
    lacking = None
    try:
        if factory is not None:
            resolve(factory)
    except ValueError as error:
        lacking = str(error)
    mode = os.environ.get("RAY_AUTH_MODE", "disabled")
    return _Told(versions(), mode, _is_open(port), lacking)


def _is_open(port: int) -> bool:
    """Whether a port of this machine answers at the address by which the network knows it."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # an address of nobody's; nothing is sent
            address = probe.getsockname()[0]
        socket.create_connection((address, port), timeout=2.0).close()
    except OSError:
        return False
    return not address.startswith("127.")
