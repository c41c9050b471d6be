"""A search on a Ray cluster whose nodes come and go while it runs."""

import json
import subprocess
import time
from pathlib import Path

from command_line import PATIENCE_S, command, run
from secateur.cluster.commands.cli import main
from secateur.cluster.storage.journal import Journal

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits-macs.yaml"


def archive(directory: Path) -> str:
    return json.loads(run("status", directory, "--json").stdout)["archive_hash"]


def test_nodes_that_leave_and_join_do_not_change_the_archive(cluster, tmp_path):
    local, directory = tmp_path / "local", tmp_path / "cluster"
    run("search", EXAMPLE, "--run", local, "--evaluations", 40)
    leaving = cluster.add_node(num_cpus=1)
    weights = ("--set", f"network.weights={local / 'dense.safetensors'}")
    asked = command(
        *("search", EXAMPLE, "--run", directory, "--evaluations", 40, *weights),
        *("--address", cluster.address),
    )
    with subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as p:
        try:
            wait_for_answers(directory, 8, p)
            cluster.remove_node(leaving)
            cluster.add_node(num_cpus=2)
            _, errors = p.communicate(timeout=PATIENCE_S)
        finally:
            p.kill()
    assert p.returncode == 0, errors
    assert archive(directory) == archive(local)
    known = [one["error"] for one in Journal.open(directory).answers().values()]
    assert not any(answer.failed for answer in known)
    assert len({answer.worker for answer in known}) >= 2


def test_evaluators_leave_the_profiler_its_node(cluster, tmp_path):
    cluster.add_node(num_cpus=2, resources={"profiler:board": 1})
    sets = [
        "network.training.epochs=1",
        "latency.seconds=0.05",
        "workers.profiler=board",
        "workers.evaluators=3",  # more than there is room for
    ]
    options = [part for one in sets for part in ("--set", one)]
    where = ("--address", cluster.address, "--run", tmp_path / "run")
    run("search", "--evaluations", 4, *options, *where)
    assert json.loads(run("status", tmp_path / "run", "--json").stdout)["evaluations"] == 4


def wait_for_answers(directory: Path, count: int, process: subprocess.Popen) -> None:
    begun = time.monotonic()
    while not Journal.exists(directory) or len(Journal.open(directory).answers()) < count:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() - begun < PATIENCE_S
        time.sleep(0.2)


def test_an_address_where_nobody_listens_is_refused_and_leaves_nothing(tmp_path, capsys):
    directory = tmp_path / "run"
    asked = ["search", str(EXAMPLE), "--run", str(directory), "--address", "127.0.0.1:1"]
    assert main(asked) == 2
    assert "no Ray cluster at 127.0.0.1:1 (" in capsys.readouterr().err
    assert not directory.exists()
