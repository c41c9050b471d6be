"""Machines joined by hand: a head, an evaluator and a profiler, which is lost and replaced.

Every one is a `ray start` of its own in a network namespace of its own, with Ray's token. Where
namespaces are not allowed, they are nodes of `ray.cluster_utils`.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from secateur.actors.job import Answer
from secateur.cluster.runs.record import Record
from secateur.cluster.storage.journal import Journal

STORE = 100 * 1024 * 1024
PATIENCE_S = 240
PYTHON = Path(sys.executable)
EVALUATIONS = 24


class Namespaces:
    """Machines on a network of their own: one namespace is the switch, each other one a machine."""

    def __init__(self, token: Path) -> None:
        token.write_text(uuid.uuid4().hex)
        self._environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        self._prefix = f"secateur-{uuid.uuid4().hex[:6]}"
        self._names: list[str] = []
        self._switch = self._new("switch")
        self._in(self._switch, "ip", "link", "add", "bridge", "type", "bridge")
        self._in(self._switch, "ip", "link", "set", "bridge", "up")
        self.address = "10.77.0.2:6379"

    @staticmethod
    def are_allowed() -> bool:
        """Whether this user may make namespaces here."""
        probe = ["ip", "netns", "add", "secateur-probe"]
        with suppress(FileNotFoundError):
            if subprocess.run(probe, capture_output=True).returncode == 0:
                subprocess.run(["ip", "netns", "delete", "secateur-probe"], check=True)
                return True
        return False

    def join(self, name: str, cpus: int, resources: dict[str, float] | None = None) -> None:
        """Plug a machine in and start Ray on it, the first one as the head."""
        number = len(self._names) + 1
        machine = self._new(name)
        plug = f"plug{number}"
        link = ("link", "add", "eth0", "netns", machine, "type", "veth", "peer", "name", plug)
        self._in(self._switch, "ip", *link)
        self._in(self._switch, "ip", "link", "set", plug, "master", "bridge", "up")
        self._in(machine, "ip", "address", "add", f"10.77.0.{number}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            self._in(machine, "ip", "link", "set", device, "up")
        where = ("--head", "--port=6379", "--include-dashboard=false")
        if number > 2:
            where = (f"--address={self.address}",)
        self._in(
            machine, PYTHON.parent / "ray", "start", *where, f"--num-cpus={cpus}",
            f"--node-ip-address=10.77.0.{number}", f"--object-store-memory={STORE}",
            f"--resources={json.dumps(resources or {})}",
        )  # fmt: skip

    def cut(self, name: str) -> None:
        """Let a machine lose its power."""
        machine = f"{self._prefix}-{name}"
        pids = subprocess.run(["ip", "netns", "pids", machine], capture_output=True, text=True)
        for pid in pids.stdout.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), 9)

    def popen(self, *command: object, **options) -> subprocess.Popen:
        """Start a command on the head."""
        inside = ["ip", "netns", "exec", f"{self._prefix}-head", *map(str, command)]
        environment = {**self._environment, **options.pop("env", {})}
        return subprocess.Popen(inside, env=environment, text=True, **options)

    def close(self) -> None:
        """Leave nothing behind."""
        for name in self._names:
            self.cut(name)
            subprocess.run(["ip", "netns", "delete", f"{self._prefix}-{name}"], check=True)

    def _new(self, name: str) -> str:
        machine = f"{self._prefix}-{name}"
        subprocess.run(["ip", "netns", "add", machine], check=True)
        self._names.append(name)
        return machine

    def _in(self, machine: str, *command: object) -> None:
        inside = ["ip", "netns", "exec", machine, *map(str, command)]
        done = subprocess.run(inside, env=self._environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


class Nodes:
    """The same by Ray's own means, on one machine and without a token."""

    def __init__(self) -> None:
        self._cluster = Cluster()
        self._nodes: dict = {}

    @property
    def address(self) -> str:
        return self._cluster.address

    def join(self, name: str, cpus: int, resources: dict[str, float] | None = None) -> None:
        self._nodes[name] = self._cluster.add_node(
            num_cpus=cpus, resources=resources or {}, object_store_memory=STORE
        )

    def cut(self, name: str) -> None:
        self._cluster.remove_node(self._nodes.pop(name), allow_graceful=False)

    def popen(self, *command: object, **options) -> subprocess.Popen:
        options.pop("env", None)
        return subprocess.Popen([*map(str, command)], text=True, **options)

    def close(self) -> None:
        self._cluster.shutdown()


@pytest.fixture
def machines(tmp_path):
    made = Namespaces(tmp_path / "token") if Namespaces.are_allowed() else Nodes()
    yield made
    made.close()


def secateur(*arguments: object) -> list[object]:
    return [PYTHON, "-m", "secateur.cluster.commands.cli", *arguments]


def search(directory: Path, objective: str, *more: object) -> list[object]:
    """A search whose candidates do not depend on what is measured."""
    settings = (f"objectives=[error,{objective}]", "search.algorithm=random", *more)
    sets = [part for setting in settings for part in ("--set", setting)]
    return secateur("search", "--run", directory, "--evaluations", EVALUATIONS, *sets)


def archive(directory: Path) -> list[tuple]:
    """What does not hang on the clock: every candidate with its error."""
    journal = Journal.open(directory)
    known = journal.answers()
    return [(one.genome, known[one.number]["error"].result) for one, _ in journal.candidates()]


def wait(process: subprocess.Popen, until) -> None:
    begun = time.monotonic()
    while not until():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() - begun < PATIENCE_S
        time.sleep(0.2)


def test_a_target_that_vanishes_is_missed_and_another_node_takes_over(machines, tmp_path):
    alone, directory = tmp_path / "alone", tmp_path / "together"
    subprocess.run([*map(str, search(alone, "macs"))], check=True, capture_output=True)
    machines.join("head", 2)
    for node in ("board", "rack"):
        machines.join(node, 1, {f"profiler:{node}": 1})
    command = search(
        directory,
        "latency_ms@near,latency_ms@far",
        f"network.weights={alone / 'dense.safetensors'}",
        "targets={near: {profiler: board}, far: {profiler: rack}}",
    )
    together = machines.popen(
        *command, "--address", machines.address, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        wait(together, lambda: len(latencies(directory, "near")) >= 4)
        machines.cut("board")
        before = latencies(directory, "near")
        wait(together, lambda: Record(directory).status().get("missing") == ["profiler@board"])
        wait(together, lambda: len(latencies(directory, "far")) > len(before) + 1)
        machines.join("spare", 1, {"profiler:board": 1})
        _, errors = together.communicate(timeout=PATIENCE_S)
    finally:
        together.kill()
    assert together.returncode == 0, errors
    assert archive(directory) == archive(alone)
    for target in ("near", "far"):
        after = latencies(directory, target)
        assert len(after) == EVALUATIONS
        assert not any(answer.failed for answer in after.values())
    assert before.items() <= latencies(directory, "near").items()
    assert Record(directory).status().get("missing") is None


def latencies(directory: Path, target: str) -> dict[int, Answer]:
    if not Journal.exists(directory):
        return {}
    name, known = f"latency_ms@{target}", Journal.open(directory).answers()
    return {number: answers[name] for number, answers in known.items() if name in answers}


def test_who_has_no_token_is_told_about_it(machines):
    if not isinstance(machines, Namespaces):
        pytest.skip(
            "network namespaces, and so a token, are not to be had here: `ip netns add` needs root"
        )
    machines.join("head", 1)
    stranger = machines.popen(
        *secateur("search", "--address", machines.address),
        env={"RAY_AUTH_MODE": "disabled"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, errors = stranger.communicate(timeout=PATIENCE_S)
    assert stranger.returncode == 2
    assert "where it asks for a token, set RAY_AUTH_MODE=token" in errors
