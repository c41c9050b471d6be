"""Nodes that join and leave while workers work, on a Ray cluster of several nodes."""

import time

import ray

from secateur.actors.dispatcher import Dispatcher
from secateur.actors.fleet import Crew
from secateur.actors.job import Job
from secateur.actors.ray_fleet import RayFleet
from secateur.search.candidate import Estimate


def test_workers_fill_nodes_that_join_and_do_without_those_that_leave(cluster):
    """A node of two cores comes and goes."""
    ray.init(address=cluster.address, log_to_driver=False)
    fleet = RayFleet({"evaluator": Crew(None, load_name, None)})
    dispatcher = Dispatcher(fleet, lease_seconds=60.0)
    assert names_within(dispatcher, range(0, 6)) == 1
    node = cluster.add_node(num_cpus=2)
    assert names_within(dispatcher, range(6, 126)) == 3
    cluster.remove_node(node)
    assert names_within(dispatcher, range(126, 246)) <= 3
    assert fleet.wanted() == {"evaluator": 1}
    dispatcher.close()


def test_a_node_that_joins_to_profile_is_left_to_the_profiler(cluster):
    """More evaluators than there is room for wait; the board must not be theirs when it joins."""
    ray.init(address=cluster.address, log_to_driver=False)
    crews = {
        "evaluator": Crew(3, load_node, None),
        "profiler": Crew(1, load_node, None, resources={"profiler:board": 1.0}),
    }
    dispatcher = Dispatcher(RayFleet(crews), lease_seconds=60.0)
    for number in range(40):
        dispatcher.submit(Job(number, (1,), "error"))
    dispatcher.submit(Job(0, (1,), "latency_ms"))
    before = [dispatcher.next_answer() for _ in range(4)]
    board = cluster.add_node(num_cpus=2, resources={"profiler:board": 1})
    answers = [*before, *(dispatcher.next_answer() for _ in range(37))]
    nodes = {
        role: {one.result.value for one in answers if one.worker.startswith(role)} for role in crews
    }
    assert nodes["profiler"] == {number_of(board.node_id)}
    assert len(nodes["evaluator"]) == 1
    assert nodes["evaluator"] != nodes["profiler"]
    dispatcher.close()


def load_node(_payload):
    """Take half a second and tell the node."""

    def measure(_job: Job) -> Estimate:
        time.sleep(0.5)
        return Estimate.exact(number_of(ray.get_runtime_context().get_node_id()))

    return measure


def number_of(node: str) -> float:
    return float(int(node[:12], 16))


def load_name(_payload):
    """Take a quarter of a second."""

    def measure(job: Job) -> Estimate:
        time.sleep(0.25)
        return Estimate.exact(float(job.number))

    return measure


def names_within(dispatcher, numbers) -> int:
    """Let jobs be done, each exactly once; by how many workers they were."""
    for number in numbers:
        dispatcher.submit(Job(number, (1,), "error"))
    found = [dispatcher.next_answer() for _ in numbers]
    assert sorted(answer.number for answer in found) == list(numbers)
    return len({answer.worker for answer in found})
