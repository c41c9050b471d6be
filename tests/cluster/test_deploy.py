"""What `cluster/deploy` hands out, read as Docker, KubeRay, Ray and the shell will read it."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ray._private.utils import parse_resources_json
from ray.autoscaler._private.cli_logger import cf, cli_logger
from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr,
)
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import start

from secateur.actors.ray_fleet import RESOURCE
from secateur.cluster.commands.cli import cli
from secateur.cluster.settings.config import check_config

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "cluster" / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONSTRAINTS = (ROOT / "constraints.txt").read_text().splitlines()
TESTED = {
    canonicalize_name(name): version
    for name, version in (line.split("==") for line in CONSTRAINTS if "==" in line)
}
IMAGE = f"secateur:{PROJECT['project']['version']}"

Record = Callable[[], list[list[str]]]


@pytest.fixture
def stand_in(tmp_path, monkeypatch) -> Callable[[str], Record]:
    """Put a program on the path that only records what it is called with."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)

    def make(name: str) -> Record:
        calls, program = tmp_path / f"{name}.calls", programs / name
        program.write_text(
            f"#!{sys.executable}\nimport json, sys\n"
            f"print(json.dumps(sys.argv[1:]), file=open({str(calls)!r}, 'a'))\n"
        )
        program.chmod(0o755)
        return lambda: [json.loads(line) for line in calls.read_text().splitlines()]

    return make


def bash(script: str, folder: Path, **environment: str) -> None:
    given = {**os.environ, **environment}
    subprocess.run(["bash", "-c", script], cwd=folder, env=given, check=True, timeout=60)


# The image


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions: a word each, and what follows."""
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    whole = text.replace("\\\n", "").splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in whole if line.strip()]


def stages() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What makes the wheel, and what makes the image."""
    steps = instructions()
    first, second = (place for place, (word, _) in enumerate(steps) if word == "FROM")
    return steps[first:second], steps[second:]


def copy_in(steps: list[tuple[str, str]], folder: Path) -> None:
    """Do what COPY does with the files of the repository."""
    for word, told in steps:
        if word != "COPY" or told.startswith("--from"):
            continue
        *sources, target = told.split()
        for source in sources:
            if (ROOT / source).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / source, folder / target, ignore=ignored)
            else:
                shutil.copy(ROOT / source, folder / target)


def run_of(steps: list[tuple[str, str]], part: str) -> str:
    (found,) = (told for word, told in steps if word == "RUN" and part in told)
    return found


def test_what_the_image_copies_makes_the_whole_wheel_without_what_is_deployed(tmp_path):
    building, _ = stages()
    source, wheels = tmp_path / "source", tmp_path / "wheel"
    source.mkdir()
    copy_in(building, source)
    offline = f"{sys.executable} -m pip wheel --no-build-isolation --no-index --quiet"
    asked = run_of(building, "pip wheel").replace("pip wheel", offline)
    bash(asked.replace("/wheel", str(wheels)), source)
    (wheel,) = wheels.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    for package in PROJECT["tool"]["setuptools"]["packages"]:
        folder = ROOT.joinpath(*package.split(".")[1:])
        assert {f"{package.replace('.', '/')}/{file.name}" for file in folder.glob("*.py")} <= held
    assert {
        "secateur/cluster/reports/report.html",
        "secateur/cluster/storage/migrations/env.py",
    } <= held
    assert not any("deploy" in name for name in held)


def test_the_image_installs_the_versions_that_were_tested(tmp_path, stand_in):
    _, steps = stages()
    copy_in(steps, tmp_path)
    pip = stand_in("pip")
    bash(run_of(steps, "requirements.txt"), tmp_path, TORCH_INDEX="https://wheels.example/cpu")
    (call,) = pip()
    assert call[call.index("--constraint") + 1] == "constraints.txt"
    assert call[call.index("--extra-index-url") + 1] == "https://wheels.example/cpu"
    assert call[call.index("--requirement") + 1] == "requirements.txt"
    asked = [Requirement(line) for line in (tmp_path / "requirements.txt").read_text().splitlines()]
    assert {"torch", "ray", "onnxruntime", "psycopg"} <= {one.name for one in asked}
    assert {"default", "train"} == set().union(*(one.extras for one in asked if one.name == "ray"))
    for one in asked:
        assert TESTED[canonicalize_name(one.name)] in one.specifier


def test_the_image_has_the_python_that_was_tested_and_tells_of_the_commands(capsys):
    (python,) = (told for word, told in instructions() if told.startswith("PYTHON="))
    version = python.removeprefix("PYTHON=python:").removesuffix("-slim")
    assert CONSTRAINTS[0].endswith(f"Python {version}.")
    _, steps = stages()
    assert [told for word, told in steps if word == "USER"] == ["1000"]
    (command,) = (json.loads(told) for word, told in steps if word == "CMD")
    assert command[0] in PROJECT["project"]["scripts"]
    cli.main(command[1:], "secateur", standalone_mode=False)
    assert "resume" in capsys.readouterr().out


# KubeRay

VOLUME, CONFIGURATION, RAYJOB = yaml.safe_load_all((DEPLOY / "rayjob.yaml").read_text())
CLUSTER = RAYJOB["spec"]["rayClusterSpec"]
HEAD, GROUPS = CLUSTER["headGroupSpec"], CLUSTER["workerGroupSpecs"]
SEARCH = check_config(yaml.safe_load(CONFIGURATION["data"]["search.yaml"]), source="search.yaml")

GROUP = {"rayStartParams", "template", "resources", "labels"}
KUBERAY = {  # the fields of ray.io/v1 in KubeRay 1.6, but for those that a job has no use for
    "RayJob": (
        RAYJOB["spec"],
        {"entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished"}
        | {"activeDeadlineSeconds", "submissionMode", "rayClusterSpec", "runtimeEnvYAML"},
    ),
    "RayCluster": (
        CLUSTER,
        {"rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions"}
        | {"headGroupSpec", "workerGroupSpecs", "gcsFaultToleranceOptions"},
    ),
    "AuthOptions": (CLUSTER["authOptions"], {"mode", "secretName"}),
    "AutoscalerOptions": (
        CLUSTER["autoscalerOptions"],
        {"version", "idleTimeoutSeconds", "upscalingMode", "resources", "env"},
    ),
    "HeadGroup": (HEAD, GROUP | {"serviceType", "headService", "enableIngress"}),
    **{
        group["groupName"]: (
            group,
            GROUP | {"groupName", "replicas", "minReplicas", "maxReplicas", "idleTimeoutSeconds"},
        )
        for group in GROUPS
    },
}


def pods() -> Iterator[dict]:
    for group in (HEAD, *GROUPS):
        yield group["template"]["spec"]


@pytest.mark.parametrize("kind", KUBERAY)
def test_kuberay_knows_every_field(kind):
    given, known = KUBERAY[kind]
    assert set(given) <= known


def test_the_job_runs_the_image_of_this_version_with_the_ray_that_was_tested():
    assert (RAYJOB["apiVersion"], RAYJOB["kind"]) == ("ray.io/v1", "RayJob")
    assert {one["image"] for pod in pods() for one in pod["containers"]} == {IMAGE}
    assert CLUSTER["rayVersion"] == TESTED["ray"]
    (user,) = {pod["securityContext"]["runAsUser"] for pod in pods()}
    assert [str(user)] == [told for word, told in instructions() if word == "USER"]


def test_ray_finds_room_for_every_evaluator_and_a_node_for_the_profiler_alone():
    named = {"metadata": {"name": "secateur", "namespace": "default"}, "spec": CLUSTER}
    nodes = _derive_autoscaling_config_from_ray_cr(named)["available_node_types"]
    profiler = f"{RESOURCE}{SEARCH.workers.profiler}"
    assert nodes["headgroup"]["resources"]["CPU"] == 0
    (board,) = (node for node in nodes.values() if profiler in node["resources"])
    assert board["resources"][profiler] == 1
    assert board["resources"]["CPU"] == SEARCH.latency.threads  # evaluators would disturb it
    assert (board["min_workers"], board["max_workers"]) == (1, 1)
    evaluators = nodes["evaluators"]
    assert 0 < evaluators["min_workers"] < evaluators["max_workers"]
    each = evaluators["resources"]["CPU"] // SEARCH.workers.threads
    assert SEARCH.workers.evaluators == evaluators["max_workers"] * each


def test_the_profilers_pod_goes_to_the_node_that_the_comment_labels():
    (label,) = (
        f"{key}={value}"
        for group in GROUPS
        for key, value in group["template"]["spec"].get("nodeSelector", {}).items()
    )
    assert f"kubectl label node NODE {label} " in (DEPLOY / "rayjob.yaml").read_text()


def mounted(name: str) -> str:
    """Where the head's container finds a volume."""
    (container,) = HEAD["template"]["spec"]["containers"]
    (place,) = (one["mountPath"] for one in container["volumeMounts"] if one["name"] == name)
    return place


def test_the_head_has_the_run_on_a_volume_that_outlives_it_and_the_search_beside():
    volumes = {one["name"]: one for one in HEAD["template"]["spec"]["volumes"]}
    assert volumes["runs"]["persistentVolumeClaim"]["claimName"] == VOLUME["metadata"]["name"]
    assert volumes["search"]["configMap"]["name"] == CONFIGURATION["metadata"]["name"]


def test_an_attempt_begins_the_run_or_goes_on_with_it():
    called, command, *arguments = RAYJOB["spec"]["entrypoint"].split()
    assert called in PROJECT["project"]["scripts"]
    given = cli.commands[command].make_context(command, arguments).params
    assert given["run"].parent == Path(mounted("runs"))
    assert given["config"].parent == Path(mounted("search"))
    assert given["config"].name in CONFIGURATION["data"]
    assert (given["resume"], given["address"]) == (True, "auto")


# Ray's cluster launcher

MACHINES = yaml.safe_load((DEPLOY / "two-machines.yaml").read_text())


def test_the_cluster_launcher_accepts_two_machines():
    prepared = prepare_config(MACHINES)
    validate_config(prepared)
    (node,) = prepared["available_node_types"].values()
    assert node["min_workers"] == node["max_workers"] == len(MACHINES["provider"]["worker_ips"])


def started(commands: list[str], home: Path, ray: Record) -> dict:
    """What `ray start` understands of these commands on a machine with this home."""
    installed = home / "secateur" / "env" / "bin"
    installed.mkdir(parents=True)
    (installed / "ray").symlink_to(shutil.which("ray"))
    bash(" && ".join(commands), home, HOME=str(home), RAY_HEAD_IP="192.0.2.10")
    stop, (command, *arguments) = ray()
    assert (stop, command) == (["stop"], "start")
    return start.make_context("start", arguments).params


def test_the_head_starts_with_a_port_that_the_others_know(tmp_path, stand_in):
    given = started(MACHINES["head_start_ray_commands"], tmp_path, stand_in("ray"))
    assert (given["head"], given["port"]) == (True, 6379)
    assert given["autoscaling_config"] == "~/ray_bootstrap_config.yaml"


@pytest.mark.parametrize("board", [True, False])
def test_a_worker_is_the_profilers_where_its_options_say_so(tmp_path, stand_in, board):
    text = (DEPLOY / "two-machines.yaml").read_text()
    (written,) = (line for line in text.splitlines() if "> ray-options" in line)
    if board:  # what the comment tells to do, without the SSH
        bash(written.split("'")[1], tmp_path)
    given = started(MACHINES["worker_start_ray_commands"], tmp_path, stand_in("ray"))
    assert given["address"] == "192.0.2.10:6379"
    assert given["num_cpus"] == (1 if board else None)
    resources = parse_resources_json(given["resources"], cli_logger, cf)
    assert resources == ({f"{RESOURCE}board": 1} if board else {})


def test_every_machine_has_one_token_and_installs_the_wheel_by_the_constraints(tmp_path, stand_in):
    mounts = MACHINES["file_mounts"]
    assert mounts["~/.ray/auth_token"] == "~/.ray/auth_token"
    starts = MACHINES["head_start_ray_commands"] + MACHINES["worker_start_ray_commands"]
    for command in starts:
        assert ("RAY_AUTH_MODE=token" in command) == ("ray start" in command)
    for remote in ("~/secateur/dist", "~/secateur/env/bin"):
        (tmp_path / remote.removeprefix("~/")).mkdir(parents=True)
    wheel = tmp_path / "secateur" / "dist" / "secateur-0.1.0-py3-none-any.whl"
    wheel.touch()
    pip = stand_in("pip")
    (tmp_path / "secateur" / "env" / "bin" / "pip").symlink_to(shutil.which("pip"))
    bash(" && ".join(MACHINES["setup_commands"]), tmp_path, HOME=str(tmp_path))
    ((*_, constraints, what),) = pip()
    assert Path(constraints) == tmp_path / "secateur" / "constraints.txt"
    assert mounts["~/secateur/constraints.txt"] == "constraints.txt"
    path, _, extras = what.partition("[")
    assert path == str(wheel)
    assert set(extras.rstrip("]").split(",")) <= set(PROJECT["project"]["optional-dependencies"])
