from dataclasses import replace

import pytest
import ray

from secateur.cluster.commands.cli import main
from secateur.cluster.on_ray import doctor
from secateur.cluster.on_ray.doctor import Node, diagnose, versions

HERE = {"python": "3.11.7", "ray": "2.60.0", "torch": "2.14.1"}
HEAD = Node("head", {"CPU": 8.0}, HERE, authentication="token", is_open=True)
BOARD = Node("board", {"CPU": 4.0, "GPU": 1.0, "profiler:jetson": 1.0}, HERE, 0.2, "token", True)


def told(*nodes: Node) -> dict[str, bool]:
    return {one.seen: one.well for one in diagnose(nodes, HERE)}


def test_a_cluster_that_lacks_nothing_is_well():
    assert told(HEAD, BOARD) == {
        "2 nodes: 12 CPUs, 1 GPUs": True,
        "profiler jetson on board": True,
        "head: 8 CPUs, the same versions": True,
        "board: 4 CPUs, the same versions": True,
        "no node can be reached from the network without a token": True,
    }


@pytest.mark.parametrize(("read", "skew"), [(10.0, 0.0), (19.0, 0.0), (7.0, -3.0), (24.5, 4.5)])
def test_a_node_that_answers_late_has_no_wrong_clock(read, skew):
    assert doctor._skew(10.0, read, 20.0) == skew


@pytest.mark.parametrize(
    ("nodes", "seen"),
    [
        ([HEAD], "no profiler"),
        (
            [replace(BOARD, versions={**HERE, "torch": "2.9"})],
            "board has torch 2.9 (here 2.14.1)",
        ),
        ([replace(BOARD, skew_s=-7.0)], "board's clock is -7.0 s off"),
        ([replace(BOARD, versions=None)], "board does not answer within 60 s"),
        (
            [HEAD, replace(BOARD, authentication="disabled")],
            "board can be reached from the network without a token",
        ),
        (
            [HEAD, replace(BOARD, lacking="cannot import 'mine'")],
            "board lacks the network: cannot import 'mine'",
        ),
        ([replace(BOARD, resources={"profiler:x": 1.0})], "1 node: 0 CPUs, 0 GPUs"),
    ],
)
def test_what_is_to_be_looked_at_is_said_with_what_to_do(nodes, seen):
    (found,) = [one for one in diagnose(nodes, HERE) if not one.well]
    assert found.seen == seen
    assert found.advice


def test_a_profiler_of_another_name_is_told():
    (found,) = [one for one in diagnose([BOARD], HERE, ["pi"]) if not one.well]
    assert found.seen == "the search's profiler, pi, is not there"
    assert all(one.well for one in diagnose([BOARD], HERE, ["jetson"]))


def test_a_search_without_latencies_needs_no_profiler():
    found = {one.seen: one.well for one in diagnose([HEAD], HERE, timed=False)}
    assert found["no profiler"]
    assert all(found.values())


def test_versions_are_those_that_are_installed():
    assert versions()["ray"] == ray.__version__
    assert "missing" not in versions().values()


def test_the_command_examines_a_cluster_of_two_nodes(cluster, tmp_path, capsys):
    config = tmp_path / "mine.yaml"
    config.write_text("network: {factory: 'no_such_module:network'}\nworkers: {profiler: board}")
    cluster.add_node(num_cpus=2, resources={"profiler:board": 1})
    assert main(["doctor", str(config), "--address", cluster.address]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok    2 nodes: 3 CPUs, 0 GPUs"
    assert lines[1].startswith("ok    profiler board on ")
    assert [line[:4] for line in lines[2:4]] == ["ok  ", "ok  "]
    assert all("lacks the network: cannot import 'no_such_module'" in line for line in lines[4:6])
    assert "can be reached from the network without a token: whoever reaches" in lines[6]


def test_a_wrong_address_is_answered_in_a_line(capsys):
    assert main(["doctor", "--address", "127.0.0.1:1"]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("secateur: no Ray cluster at 127.0.0.1:1 (")
    assert errors.count("\n") == 1
