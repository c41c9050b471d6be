"""Artifacts: the files of a run, held to their SHA-256 and, where wished, kept elsewhere as well.

Elsewhere is a folder that Arrow's file systems know: file:///..., s3://BUCKET/..., gs://BUCKET/....
Who may write there, they find out by themselves, from the environment.
"""

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pyarrow import ArrowInvalid
from pyarrow.fs import FileSystem, LocalFileSystem

from .journal import Journal
from .whole_file import write_whole

FACT, ELSEWHERE = "artifacts", "artifacts_at"
"""The facts that hold every file's SHA-256, by its name in the folder, and where else they are."""


class Artifacts:
    """The files of one run. A file counts once the journal has its hash."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._folder = journal.folder
        uri = journal.fact(ELSEWHERE)
        self._elsewhere = None if uri is None else elsewhere(uri)
        self._uri = uri

    def keep(self, *paths: Path) -> None:
        """Take note of files, and of those in folders; copy elsewhere what is new."""
        known = dict(self._journal.fact(FACT, {}))
        before = dict(known)
        for path in _files(paths):
            name, content = path.relative_to(self._folder).as_posix(), path.read_bytes()
            if known.get(name) != (hashed := hashlib.sha256(content).hexdigest()):
                self._copy(name, content)
                known[name] = hashed
        if known != before:
            self._journal.note(FACT, known)

    def bring_back(self, names: Collection[str]) -> None:
        """Have these files, or those in these folders, as they were when they were kept.

        One that is lost is fetched from elsewhere, if there is such a place; one that is another
        than it was is a ValueError.
        """
        for name, hashed in self._journal.fact(FACT, {}).items():
            if name not in names and name.partition("/")[0] not in names:
                continue
            path = self._folder / name
            if path.exists():
                _require(hashed, path.read_bytes(), str(path))
            elif self._elsewhere is not None:
                content = self._fetch(name)
                _require(hashed, content, f"{self._uri}/{name}")
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, content)

    def _copy(self, name: str, content: bytes) -> None:
        if self._elsewhere is None:
            return
        filesystem, folder = self._elsewhere
        target = f"{folder}/{name}"
        try:
            if isinstance(filesystem, LocalFileSystem):
                Path(target).parent.mkdir(parents=True, exist_ok=True)
                write_whole(Path(target), content)
                return
            with filesystem.open_output_stream(target) as stream:
                stream.write(content)
        except OSError as error:
            raise OSError(f"{name} at {self._uri}: {_line(error)}; see to the place") from error

    def _fetch(self, name: str) -> bytes:
        assert self._elsewhere is not None
        filesystem, folder = self._elsewhere
        try:
            with filesystem.open_input_stream(f"{folder}/{name}") as stream:
                return bytes(stream.read())
        except OSError as error:
            raise ValueError(f"cannot read {self._uri}/{name}: {_line(error)}") from error


def elsewhere(uri: str) -> tuple[FileSystem, str]:
    """Return the file system and the folder of a URI; a plain path is a folder of this machine."""
    require_no_credentials(uri)
    if not urlsplit(uri).scheme:
        return LocalFileSystem(), absolute(uri)
    try:
        filesystem, folder = FileSystem.from_uri(uri)
    except (ArrowInvalid, OSError) as error:
        raise ValueError(
            f"no place for artifacts at {uri}: {_line(error)}; give a folder, file:///FOLDER, "
            "s3://BUCKET/FOLDER or gs://BUCKET/FOLDER"
        ) from error
    return filesystem, folder.rstrip("/")


def absolute(uri: str) -> str:
    """Return a URI as it is; a plain path from the root on, to be found from any other folder."""
    return uri if urlsplit(uri).scheme else str(Path(uri).expanduser().absolute())


def require_no_credentials(uri: str) -> None:
    """Refuse a URI that holds who may write there."""
    parts = urlsplit(uri)
    if parts.username or parts.password:
        raise ValueError(
            f"{parts.scheme}://{parts.hostname}: leave user and password out, they would stand in "
            "the journal; the environment holds them (AWS_ACCESS_KEY_ID, say, or a profile)"
        )


def _files(paths: Collection[Path]) -> Iterator[Path]:
    for path in paths:
        found = path.rglob("*") if path.is_dir() else [path]
        yield from sorted(one for one in found if one.is_file() and not one.name.startswith("."))


def _require(hashed: str, content: bytes, place: str) -> None:
    if (found := hashlib.sha256(content).hexdigest()) != hashed:
        raise ValueError(
            f"{place} is not what the run left there: expected SHA-256 {hashed[:12]}..., got "
            f"{found[:12]}...; put it back from a copy"
        )


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
