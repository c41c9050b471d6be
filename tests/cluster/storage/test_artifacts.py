"""Files of a run on this machine's disk and on S3, which is a server of the test's own."""

import re
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

import secateur
from secateur.cluster.runs.progress import Silent
from secateur.cluster.storage.artifacts import FACT, Artifacts, elsewhere
from secateur.cluster.storage.journal import Journal

EXAMPLE = Path(__file__).parents[3] / "examples" / "digits-macs.yaml"


class S3(BaseHTTPRequestHandler):
    """As much of S3 as its client asks for: uploads in parts, and objects that are read."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]

    def do_POST(self) -> None:
        self._body()
        key = self.path.partition("?")[0]
        told = "InitiateMultipartUploadResult"
        if "uploadId=" in self.path:
            parts = sorted(name for name in self.objects if name.startswith(f"{key}#"))
            self.objects[key] = b"".join(self.objects.pop(name) for name in parts)
            told = "CompleteMultipartUploadResult"
        self._answer(f"<{told}><UploadId>1</UploadId><ETag>e</ETag></{told}>".encode())

    def do_PUT(self) -> None:
        part = re.search(r"partNumber=(\d+)", self.path)
        key = self.path.partition("?")[0] + (f"#{int(part[1]):06}" if part else "")
        self.objects[key] = self._body()
        self._answer()

    def do_HEAD(self) -> None:
        self._read(only_size=True)

    def do_GET(self) -> None:
        self._read(only_size=False)

    def log_message(self, *_) -> None:
        pass

    def _read(self, *, only_size: bool) -> None:
        content = self.objects.get(self.path.partition("?")[0])
        if content is None:
            self._answer(b"", status=404)
        elif part := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or ""):
            self._answer(content[int(part[1]) : int(part[2]) + 1], status=206)
        else:
            self._answer(content, only_size=only_size)

    def _answer(self, content: bytes = b"", *, status: int = 200, only_size: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", '"e"')
        self.end_headers()
        if not only_size:
            self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return _unsigned(body) if "aws-chunked" in self.headers["Content-Encoding"] else body


def _unsigned(body: bytes) -> bytes:
    """What is between the sizes and the checksums that the client puts around every chunk."""
    content = b""
    while True:
        head, _, body = body.partition(b"\r\n")
        if not (size := int(head.partition(b";")[0], 16)):
            return content
        content, body = content + body[:size], body[size + 2 :]


@pytest.fixture
def s3(monkeypatch) -> Iterator[dict[str, bytes]]:
    """The objects of a server, to which the environment leads."""
    handler = type("Handler", (S3,), {"objects": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    yield handler.objects
    server.shutdown()
    server.server_close()


@pytest.fixture
def kept(tmp_path):
    """Makes a run's folder with some files, and its artifacts at a place."""
    folder = tmp_path / "run"
    (folder / "exports" / "knee").mkdir(parents=True)
    (folder / "dense.onnx").write_bytes(b"dense")
    (folder / "exports" / "knee" / "model.onnx").write_bytes(b"knee" * 1000)
    made = []

    def make(place: str | None) -> Artifacts:
        made.append(Journal.create(folder, {"artifacts_at": place}))
        artifacts = Artifacts(made[-1])
        artifacts.keep(folder / "dense.onnx", folder / "exports")
        return artifacts

    make.folder = folder
    make.journals = made
    yield make
    for journal in made:
        journal.close()


@pytest.mark.parametrize("place", ["s3", "folder"])
def test_files_that_are_lost_are_brought_back(kept, place, s3, tmp_path):
    artifacts = kept("s3://bucket/runs/one" if place == "s3" else str(tmp_path / "elsewhere"))
    shutil.rmtree(kept.folder / "exports")
    (kept.folder / "dense.onnx").unlink()
    artifacts.bring_back(["dense.onnx", "exports"])
    assert (kept.folder / "dense.onnx").read_bytes() == b"dense"
    assert (kept.folder / "exports" / "knee" / "model.onnx").read_bytes() == b"knee" * 1000
    if place == "s3":
        assert s3["/bucket/runs/one/exports/knee/model.onnx"] == b"knee" * 1000


def test_only_what_is_new_is_copied(kept, s3):
    artifacts = kept("s3://bucket/one")
    s3.clear()
    (kept.folder / "dense.onnx").write_bytes(b"denser")
    artifacts.keep(kept.folder / "dense.onnx", kept.folder / "exports")
    assert s3 == {"/bucket/one/dense.onnx": b"denser"}


def test_a_file_that_was_changed_is_refused(kept):
    artifacts = kept(None)
    (kept.folder / "dense.onnx").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"dense\.onnx is not what the run left there: expected"):
        artifacts.bring_back(["dense.onnx"])
    artifacts.bring_back(["exports"])


def test_a_copy_that_was_changed_is_refused(kept, s3):
    artifacts = kept("s3://bucket/one")
    s3["/bucket/one/dense.onnx"] = b"other"
    (kept.folder / "dense.onnx").unlink()
    with pytest.raises(ValueError, match=r"s3://bucket/one/dense\.onnx is not what the run left"):
        artifacts.bring_back(["dense.onnx"])
    assert not (kept.folder / "dense.onnx").exists()


def test_a_copy_that_is_gone_is_named(kept, s3):
    artifacts = kept("s3://bucket/one")
    s3.clear()
    (kept.folder / "dense.onnx").unlink()
    with pytest.raises(ValueError, match=r"cannot read s3://bucket/one/dense\.onnx: "):
        artifacts.bring_back(["dense.onnx"])


def test_a_place_that_cannot_be_written_is_named(kept, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"dense\.onnx at .*file: .*; see to the place"):
        kept(str(tmp_path / "file"))
    assert kept.journals[0].fact(FACT) is None


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("s3://somebody:geheim@bucket/one", "s3://bucket: leave user and password out"),
        ("nowhere://bucket", "no place for artifacts at nowhere://bucket: "),
    ],
)
def test_a_place_that_is_none_is_refused(uri, told):
    with pytest.raises(ValueError, match=re.escape(told)) as refused:
        elsewhere(uri)
    assert "geheim" not in str(refused.value)


class Stopping(Silent):
    """Interrupts the run after some evaluations; hears what it says."""

    def __init__(self, after: int | None = None) -> None:
        self.said: list[str] = []
        self._after = after

    def say(self, text: str) -> None:
        self.said.append(text)

    def evaluated(self, progress) -> None:
        if progress.answered == self._after:
            raise KeyboardInterrupt


def test_a_run_whose_folder_is_lost_goes_on_from_its_database_and_its_artifacts(
    tmp_path, database, s3
):
    config = yaml.safe_load(EXAMPLE.read_text()) | {"search": {"evaluations": 12}}
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        secateur.launch(
            config,
            folder,
            journal=database,
            artifacts="s3://bucket/runs/one",
            watcher=Stopping(after=5),
        )
    journal = Journal.open(folder)  # status tells less where answers came out of turn
    answered = len(journal.answers())
    journal.close()
    shutil.rmtree(folder)
    run = secateur.open_run(folder, on=database)
    run.resume(watcher=(watcher := Stopping()))
    assert 5 <= answered < 12
    assert run.status()["evaluations"] == 12
    assert secateur.open_run(folder).front() == run.front()
    assert not any("training" in text or "exporting the dense" in text for text in watcher.said)
    assert (folder / "exports" / "knee" / "model.onnx").read_bytes() == s3[
        "/bucket/runs/one/exports/knee/model.onnx"
    ]
    assert b"geheim" not in b"".join(path.read_bytes() for path in folder.rglob("*.json"))
