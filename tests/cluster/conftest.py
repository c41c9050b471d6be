"""Journals in a file and on a real PostgreSQL server, for whoever tests what is kept in them."""

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from secateur.cluster.storage.journal import Journal


class Server:
    """A PostgreSQL server of this test session's own, on loopback."""

    def __init__(self, programs: Path, data: Path) -> None:
        self._programs, self._data = programs, data
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.run("initdb", "-D", str(data), "-U", "secateur", "--auth=trust", "--no-sync")
        self.start()

    def url(self, user: str = "secateur", database: str = "postgres") -> str:
        return f"postgresql+psycopg://{user}@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        options = f"-p {self._port} -k {self._data} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.run("pg_ctl", "-D", str(self._data), "-o", options, "-l", "/dev/null", "-w", "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def query(self, text: str, database: str = "postgres") -> None:
        self.run(
            "psql", "-q", "-h", "127.0.0.1", "-p", str(self._port), "-U", "secateur", "-c", text,
            database,
        )  # fmt: skip

    def run(self, program: str, *arguments: str) -> None:
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*user, str(self._programs / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [shutil.which("initdb")]
    if found[-1] is None:
        pytest.skip("no PostgreSQL is installed: initdb is neither on the path nor in /usr/lib")
    folder = Path(tempfile.mkdtemp(prefix="secateur-postgresql-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    made = Server(Path(found[-1]).parent, folder / "data")
    yield made
    made.stop()
    shutil.rmtree(folder)


@pytest.fixture
def database(server) -> str:
    """The URL of a new database on the server."""
    name = f"test_{uuid.uuid4().hex}"
    server.query(f"create database {name}")
    return server.url(database=name)


@pytest.fixture(params=["file", "server"])
def journal(request, tmp_path) -> Iterator[Journal]:
    """A new journal, in a file and then on the server."""
    url = request.getfixturevalue("database") if request.param == "server" else None
    made = Journal.create(tmp_path, {"seed": 3, "groups": ["a", "b"]}, url=url)
    yield made
    made.close()


@pytest.fixture
def opened() -> Iterator[Callable[..., Journal]]:
    """Opens journals, and closes them at the end."""
    made: list[Journal] = []

    def open_(*arguments, **options) -> Journal:
        made.append(Journal.open(*arguments, **options))
        return made[-1]

    yield open_
    for journal in made:
        journal.close()


@pytest.fixture
def in_file(tmp_path) -> Iterator[Journal]:
    """A new journal in a file."""
    made = Journal.create(tmp_path, {"seed": 3, "groups": ["a", "b"]})
    yield made
    made.close()
