"""Jobs: searches that Ray runs on a cluster's head, whoever watches them or looks away."""

import asyncio
import importlib.util
import logging
import os
import re
import shlex
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import sqlalchemy as sql
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from ..settings.checked import as_yaml
from ..settings.config import Config, run_that_learned
from ..storage.artifacts import require_no_credentials
from ..storage.database import without_password

STOP_SECONDS = 60
"""How long a job that is stopped has for a clean end, before Ray kills it."""

QUIET_SECONDS = 30.0
"""How long a log may be silent before it is asked for anew: a machine that slept is not told that
its connection is dead."""

PATIENCE_S, PAUSE_SECONDS = 120.0, 1.0
"""How long a job server may be gone while a log is followed, and when it is asked again."""

USAGE = 2
"""The exit code of a search that was asked for wrongly: it would fail again."""

CONFIG, RUN = "SECATEUR_CONFIG", "run"
"""The variable that a job's configuration travels in; what its metadata calls the run's folder."""


class JobFailed(RuntimeError):
    """A job did not succeed, or is lost sight of; the message says why and how to go on."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A search as a job: its id, and where on the cluster it keeps what it finds."""

    id: str
    config: Config
    run: str
    journal: str | None = None
    artifacts: str | None = None

    @classmethod
    def of(
        cls, config: Config, run: str | None, journal: str | None, artifacts: str | None
    ) -> "Submission":
        """Name a job by its search and the time; a run without a folder gets one of the job's name.

        That is in the home of whoever Ray runs as on the head.
        """
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", config.name)
        job = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
        return cls(job, config, run or f"~/runs/{job}", journal, artifacts)

    def __post_init__(self) -> None:
        teacher = self.config.clad.teacher or ""
        places = [
            ("--run", self.run),
            ("data.root", self.config.data.root),
            ("search.warm_start", self.config.search.warm_start),
            ("clad.teacher", None if ":" in teacher else teacher),
            ("--artifacts", None if urlsplit(self.artifacts or "").scheme else self.artifacts),
        ]
        for criterion in self.config.pruning.criteria:
            if run_that_learned(criterion) is not None:
                places.append(("pruning.criterion", criterion.removeprefix("clad:")))
        for name, place in places:
            if place and not place.startswith(("/", "~/")):
                raise ValueError(
                    f"{name} must be a path on the cluster that begins with / or ~/, got "
                    f"{place!r}: the folder that a job is run in is Ray's choice"
                )
        if self.journal is not None:
            _require_lasting(self.journal)
        if self.artifacts is not None:
            require_no_credentials(self.artifacts)

    @property
    def entrypoint(self) -> str:
        """What the head runs, by its shell. Ray shows it to everybody."""
        search = ["exec", "secateur", "search", "/dev/stdin"]
        search += ["--run", self.run, "--resume", "--address", "auto"]
        for option, value in (("--journal", self.journal), ("--artifacts", self.artifacts)):
            search += [option, value] if value else []
        return f"{shlex.join(search)} <<END\n${CONFIG}\nEND"


def job_server(address: str) -> JobSubmissionClient:
    """Reach the job server of a Ray cluster, or raise a ValueError that says what to do."""
    url = urlsplit(address)
    if "@" in url.netloc:
        raise ValueError("--address must be without user and password: it is printed")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError(f"--address must be a job server's, http://HEAD:8265, got {address!r}")
    if importlib.util.find_spec("aiohttp") is None:
        raise ValueError("Ray's job client is not installed: pip install 'secateur[cluster]'")
    for handler in logging.getLogger("ray").handlers:
        handler.setLevel(logging.WARNING)  # it tells of packages and sockets
    os.environ["RAY_API_SERVER_ADDRESS"] = address  # to Ray, the environment's goes before ours
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    with _asking(address):
        socket.create_connection((url.hostname, port), timeout=10.0).close()  # Ray waits for ever
        return JobSubmissionClient(address)


def submit(server: JobSubmissionClient, submission: Submission) -> None:
    """Send a search: its configuration and nothing else travels.

    Not as files: Ray at times loses their package before the job begins (ray-project/ray, 36703).
    """
    with _asking(server.get_address()):
        server.submit_job(
            entrypoint=submission.entrypoint,
            submission_id=submission.id,
            runtime_env={
                "env_vars": {
                    CONFIG: as_yaml(submission.config),
                    "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS),
                }
            },
            metadata={RUN: submission.run},
        )


def follow(server: JobSubmissionClient, job: str, write: Callable[[str], None]) -> None:
    """Write a job's log until its end; JobFailed where it did not succeed.

    A connection that is lost meanwhile is made anew. Who interrupts this leaves the job running.
    """
    _look(server, job)
    try:
        ended = _followed(server, job, write)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"{job} goes on: follow it by {command('attach', server, job)}, "
            f"end it by {command('stop', server, job)}"
        ) from None
    if ended.status == JobStatus.STOPPED:
        raise JobFailed(f"{job} was stopped{_how_to_go_on(server, ended)}")
    if ended.status == JobStatus.FAILED:
        raise JobFailed(f"{job} failed: {_reason(ended)}{_how_to_go_on(server, ended)}")


def stop(server: JobSubmissionClient, job: str) -> str:
    """End a job as cleanly as Ctrl-C does, and tell how to go on."""
    with _asking(server.get_address(), job):
        server.stop_job(job)
    until = time.monotonic() + STOP_SECONDS + 10.0
    while not (ended := _look(server, job)).status.is_terminal():
        if time.monotonic() >= until:
            raise RuntimeError(
                f"{job} does not end: see its log by {command('attach', server, job)}"
            )
        time.sleep(PAUSE_SECONDS)
    if ended.status == JobStatus.STOPPED:
        return f"{job} is stopped{_how_to_go_on(server, ended)}"
    return f"{job} had ended before: {ended.status.lower()}"


def command(verb: str, server: JobSubmissionClient, job: str) -> str:
    """What to type to do something with a job."""
    return f"secateur {verb} {job} --address {server.get_address()}"


def _require_lasting(journal: str) -> None:
    """Refuse a journal that a job cannot have: one with a password, or in the job's own folder."""
    try:
        url = sql.make_url(journal)
    except sql.exc.ArgumentError as error:
        raise ValueError("--journal must be postgresql+psycopg://USER@HOST/NAME") from error
    if without_password(url) != url:
        raise ValueError(
            "--journal must be without a password, as Ray shows a job's command to everybody: put "
            "it where PostgreSQL's client on the head looks for it, PGPASSWORD or ~/.pgpass"
        )
    if url.get_backend_name() == "sqlite" and not (url.database or "").startswith("/"):
        raise ValueError(f"--journal must be sqlite:////PATH, got {journal!r}: a job runs anywhere")


def _followed(server: JobSubmissionClient, job: str, write: Callable[[str], None]) -> JobDetails:
    """Write the log, over as many connections as it takes, and return what became of the job."""
    written, seen = 0, time.monotonic()
    while True:
        whole, written = asyncio.run(_tail(server, job, written, write))
        try:
            info = server.get_job_info(job)
            seen = time.monotonic()
        except (OSError, RuntimeError) as error:
            if time.monotonic() - seen >= PATIENCE_S:
                raise JobFailed(
                    f"{server.get_address()} is gone ({_last_line(error)}); where the cluster is "
                    f"not, the job goes on: follow it by {command('attach', server, job)}"
                ) from error
        else:
            if whole and info.status.is_terminal():
                return info
        time.sleep(PAUSE_SECONDS)


async def _tail(
    server: JobSubmissionClient, job: str, written: int, write: Callable[[str], None]
) -> tuple[bool, int]:
    """Write a log from a place on; return whether its end was reached, and the new place."""
    from aiohttp import ClientError  # where ray[default] is installed

    read = 0
    log = server.tail_job_logs(job)
    while True:
        try:
            text = await asyncio.wait_for(anext(log), QUIET_SECONDS)
        except StopAsyncIteration:
            return True, written
        except (ClientError, OSError, RuntimeError):
            return False, written
        read += len(text)
        if read > written:
            write(text[written - read :])
            written = read


def _look(server: JobSubmissionClient, job: str) -> JobDetails:
    with _asking(server.get_address(), job):
        return server.get_job_info(job)


def _how_to_go_on(server: JobSubmissionClient, job: JobDetails) -> str:
    run = (job.metadata or {}).get(RUN)
    if run is None or job.driver_exit_code == USAGE:
        return ""
    folder = shlex.quote(run)  # ~ is the cluster's, not that of the shell it is pasted into
    return f"; to go on: secateur submit CONFIG --run {folder} --address {server.get_address()}"


def _reason(failed: JobDetails) -> str:
    """The last thing that a job said, or what Ray says of one that was never begun."""
    lines = (failed.message or "").strip().splitlines() or ["no reason is known"]
    if failed.driver_exit_code is None:
        return lines[0]
    ours = [line.removeprefix("secateur: ") for line in lines if line.startswith("secateur: ")]
    return (ours or lines)[-1]


@contextmanager
def _asking(address: str, job: str = "") -> Iterator[None]:
    """Tell in a line what went wrong between here and a job server."""
    try:
        yield
    except AuthenticationError as error:
        raise ValueError(
            f"{address} asks for a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to the "
            "cluster's token"
        ) from error
    except (OSError, KeyError) as error:
        raise ValueError(
            f"no Ray job server at {address} ({_last_line(error)}): give --address as "
            "http://HEAD:8265; the head needs pip install 'secateur[cluster]', and its port 8265 "
            "must be reached from here"
        ) from error
    except RuntimeError as error:
        if "does not exist" in str(error):
            raise ValueError(f"{address} knows no job {job!r}: ray job list tells which") from error
        raise RuntimeError(f"{address} answers: {_last_line(error)}") from error


def _last_line(error: Exception) -> str:
    """What an error says, without the traceback from a server that it may hold."""
    return (str(error).strip(" .\n") or type(error).__name__).splitlines()[-1]
