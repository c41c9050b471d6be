"""Searches as jobs of a real Ray head: followed, left alone, stopped, gone on with."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient, JobType

import secateur
from command_line import PATIENCE_S, command, run
from secateur.cluster.commands.cli import main
from secateur.cluster.on_ray import jobs
from secateur.cluster.on_ray.jobs import JobFailed, Submission, follow, job_server, submit
from secateur.cluster.on_ray.ray_cluster import ray_at
from secateur.cluster.settings.config import check_config
from secateur.cluster.storage.journal import Journal

pytestmark = pytest.mark.filterwarnings(
    "ignore:ssl=None is deprecated"
)  # as Ray 2.60 calls aiohttp

EXAMPLE = Path(__file__).parents[3] / "examples" / "digits-macs.yaml"
EVALUATIONS = 40
DIGITS = check_config({"name": "my digits"}, source="a test")


def answer(capsys, *arguments: object) -> tuple[int, str, str]:
    """Run the command line in this process: its code, and what it said on stdout and stderr."""
    code = main(list(map(str, arguments)))
    printed = capsys.readouterr()
    assert printed.err.count("\n") <= 1
    return code, printed.out, printed.err


@pytest.fixture(autouse=True)
def _another_address(monkeypatch):
    """The address on the command line counts, whatever the environment says."""
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """The home of the user that Ray runs as on the head."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def head(home) -> Iterator[str]:
    """The job server of a cluster of one node."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HOME", str(home))
        environment.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 2,
                "object_store_memory": 100 * 1024 * 1024,
                "include_dashboard": True,
                "dashboard_port": port,
                "dashboard_agent_listen_port": 0,
            },
        )
    yield f"http://{cluster.webui_url}"
    cluster.shutdown()


def test_a_search_outlives_its_follower_is_stopped_and_ends_like_an_unbroken_one(
    head, home, tmp_path, capsys
):
    local = tmp_path / "local"
    small = ("--set", f"search.evaluations={EVALUATIONS}", "--set", "search.final=picks")
    run("search", EXAMPLE, "--run", local, *small, "--set", "network.training.epochs=5")
    weights = ("--set", f"network.weights={local / 'dense.safetensors'}")
    asked = ("submit", EXAMPLE, "--address", head, *small, *weights)

    job, errors = interrupted(home, *asked)
    attach, stop = (f"secateur {verb} {job} --address {head}" for verb in ("attach", "stop"))
    assert errors == f"secateur: {job} goes on: follow it by {attach}, end it by {stop}"
    folder = home / "runs" / job
    again = f"to go on: secateur submit CONFIG --run '~/runs/{job}' --address {head}"
    assert answer(capsys, "stop", job, "--address", head) == (0, f"{job} is stopped; {again}\n", "")
    assert 0 < len(Journal.open(folder).answers()) < EVALUATIONS
    code, log, error = answer(capsys, "attach", job, "--address", head)
    assert (code, error) == (1, f"secateur: {job} was stopped; {again}\n")
    assert f"secateur: stopped; go on with: secateur resume {folder}" in log

    code, log, _ = answer(capsys, *asked, "--run", f"~/runs/{job}")
    assert code == 0
    assert f"{EVALUATIONS}/{EVALUATIONS} evaluated" in log
    assert archive(folder) == archive(local)
    other = log.split()[1]
    code, once_more, _ = answer(capsys, "attach", other, "--address", head)
    assert code == 0
    assert "evaluated" in once_more
    assert log.endswith(once_more)
    assert answer(capsys, "stop", other, "--address", head) == (
        *(0, f"{other} had ended before: succeeded\n", ""),
    )


def interrupted(home: Path, *asked: object) -> tuple[str, str]:
    """Submit, follow, and interrupt that when something is measured: the job, and the last line."""
    begun = time.monotonic()
    with subprocess.Popen(
        command(*asked), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            while not any(map(has_answers, (home / "runs").glob("*"))):
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() - begun < PATIENCE_S
                time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            told, errors = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert process.returncode == 130
    word, job, *_ = told.split()
    assert word == "job"
    return job, errors.strip()


def has_answers(folder: Path) -> bool:
    return Journal.exists(folder) and len(Journal.open(folder).answers()) > 1


def archive(directory: Path) -> str:
    return secateur.open_run(directory).status()["archive_hash"]


def test_a_search_that_cannot_start_there_fails_with_its_own_words(head, tmp_path, capsys):
    asked = ("submit", EXAMPLE, "--address", head, "--run", tmp_path, "--data-root", "/no/such")
    code, log, error = answer(capsys, *asked)
    job = log.split()[1]
    assert code == 1
    assert error.startswith(f"secateur: {job} failed: data.root: no folder at /no/such")
    assert "to go on" not in error  # it would fail again
    assert not list(tmp_path.iterdir())


def test_no_job_is_submitted_twice(head, tmp_path):
    server = job_server(head)
    twice = Submission("twice", DIGITS, str(tmp_path / "run"))
    submit(server, twice)
    with pytest.raises(RuntimeError, match=r"answers: ValueError: .* twice already exists[^\n]*$"):
        submit(server, twice)
    assert jobs.stop(server, "twice").startswith("twice is stopped; ")
    sent = server.get_job_info("twice")
    assert sent.entrypoint == twice.entrypoint
    assert sent.metadata == {"run": str(tmp_path / "run")}
    assert sent.runtime_env["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"] == "60"  # Ray's are 3


@pytest.mark.parametrize("verb", ["attach", "stop"])
def test_a_job_that_is_not_there_is_named(head, capsys, verb):
    code, _, error = answer(capsys, verb, "nothing", "--address", head)
    assert (code, error) == (
        *(2, f"secateur: {head} knows no job 'nothing': ray job list tells which\n"),
    )


def test_what_the_head_runs_is_quoted_and_goes_on_with_a_run():
    journal = "postgresql+psycopg://me@host/runs?a=b&c=d"
    found = Submission.of(DIGITS, None, journal, "s3://bucket/digits")
    assert found.id.startswith("my-digits-20")
    assert found.run == f"~/runs/{found.id}"
    assert found.entrypoint == (
        f"exec secateur search /dev/stdin --run '~/runs/{found.id}' --resume --address auto "
        f"--journal '{journal}' --artifacts s3://bucket/digits <<END\n$SECATEUR_CONFIG\nEND"
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--set", "serch.seed=1"), "unknown key serch: did you mean search?"),
        (("--evaluations", "0"), "search.evaluations: should be greater than or equal to 1, got 0"),
        (("--evaluators", "0"), "workers.evaluators: should be auto or at least 1, got 0"),
        (("--seed", "-1"), "search.seed: should be greater than or equal to 0, got -1"),
        (("--run", "runs/mine"), "--run must be a path on the cluster that begins with / or ~/"),
        (("--data-root", "data"), "data.root must be a path on the cluster that begins with /"),
        (("--set", "search.warm_start=runs/x"), "search.warm_start must be a path on the cluster"),
        (("--set", "pruning.criterion=[l2, 'clad:runs/x']"), "pruning.criterion must be a path on"),
        (("--set", "clad.teacher=exported"), "clad.teacher must be a path on the cluster"),
        (("--journal", "postgresql+psycopg://me:secret@host/x"), "must be without a password"),
        (("--journal", "postgresql://host/x?password=secret"), "must be without a password"),
        (("--journal", "sqlite:///here.db"), "--journal must be sqlite:////PATH"),
        (("--journal", "secret"), "--journal must be postgresql+psycopg://USER@HOST/NAME"),
        (("--artifacts", "copies"), "--artifacts must be a path on the cluster"),
        (("--artifacts", "s3://me:secret@bucket"), "s3://bucket: leave user and password out"),
        ((), "no Ray job server at http://127.0.0.1:1 ([Errno 111] Connection refused): give "),
        (("--address", "head:6379"), "--address must be a job server's, http://HEAD:8265, got"),
        (("--address", "http://"), "--address must be a job server's, http://HEAD:8265, got"),
        (("--address", "http://me:secret@head"), "--address must be without user and password"),
    ],
)
def test_what_cannot_be_sent_is_refused_here(capsys, arguments, expected):
    code, told, error = answer(
        capsys, "submit", EXAMPLE, "--address", "http://127.0.0.1:1", *arguments
    )
    assert (code, told) == (2, "")
    assert expected in error
    assert "secret" not in error


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, 2, " asks for a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH"),
        (403, 2, " asks for a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH"),
        (404, 1, " answers: Version check returned 404"),
        (200, 2, "no Ray job server at http"),
    ],
)
def test_a_server_that_will_not_have_us_or_is_another_one_is_told_of(
    capsys, status, code, expected
):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b'{"version": "of something else"}')

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        found = answer(capsys, "attach", "x", "--address", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert found[0] == code
    assert expected in found[2]


def test_a_missing_client_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"pip install 'secateur\[cluster\]'"):
        job_server("http://127.0.0.1:1")


class Connections(JobSubmissionClient):
    """A job server whose connections end as they were told to: cut, silent or whole."""

    def __init__(self, *connections: list[str | Exception | None], lost: bool = False) -> None:
        self._connections = list(connections)
        self._lost = lost
        self._looked = 0

    def get_address(self) -> str:
        return "http://head:8265"

    def get_job_info(self, job_id: str) -> JobDetails:
        self._looked += 1
        if self._lost and self._looked > 1:
            raise ConnectionError("no route")
        status = JobStatus.RUNNING if self._connections else JobStatus.SUCCEEDED
        return JobDetails(
            type=JobType.SUBMISSION, submission_id=job_id, status=status, entrypoint=""
        )

    async def tail_job_logs(self, job_id: str):  # noqa: ARG002
        for part in self._connections.pop(0):
            if isinstance(part, Exception):
                raise part
            if part is None:
                await asyncio.Event().wait()
            yield part


@pytest.fixture
def hasty(monkeypatch):
    """Waits for nothing."""
    for name in ("QUIET_SECONDS", "PATIENCE_S", "PAUSE_SECONDS"):
        monkeypatch.setattr(jobs, name, 0.05 if name == "QUIET_SECONDS" else 0.0)


@pytest.mark.usefixtures("hasty")
def test_a_log_is_written_once_over_connections_that_are_lost():
    server = Connections(
        ["one\n", "two", RuntimeError("WebSocket connection closed unexpectedly")],
        ["one\n", None],
        ["one\ntwo\n"],
        ["one\n", "two\nthree\n"],
    )
    written: list[str] = []
    follow(server, "job", written.append)
    assert "".join(written) == "one\ntwo\nthree\n"


@pytest.mark.usefixtures("hasty")
def test_a_server_that_is_gone_for_good_is_told_of():
    with pytest.raises(JobFailed, match=r"http://head:8265 is gone \(no route\).*attach job"):
        follow(Connections([OSError("gone")], lost=True), "job", print)


@pytest.mark.usefixtures("hasty")
def test_what_cannot_be_written_is_not_taken_for_a_lost_connection():
    def closed(_: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        follow(Connections(["one\n"], ["one\n"]), "job", closed)


def test_a_ray_of_its_own_knows_nothing_of_the_job_that_it_is_started_in(monkeypatch):
    job = {"runtime_env": {"working_dir": "gcs://_ray_pkg_of_another_cluster.zip"}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(job))
    with ray_at(None, cpus=1):
        assert ray.get(ray.remote(lambda: 7).remote(), timeout=60) == 7
