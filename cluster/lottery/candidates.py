"""Candidates: which plans a lottery search asks for, and what they came to, one file each."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...search.candidate import Candidate, Estimate
from ...search.space import Genome
from ..storage.whole_file import write_whole

ASKED, CANDIDATES = "asked", "candidates"
"""In a run's folder: what the search asks for, and what has come of it."""

NO_MORE = "no_more"
"""In the former: the search asks for nothing else, though its budget is not spent."""


def asked_of(run: Path, number: int) -> Candidate | None:
    """The candidate of this number, once the search has asked for it."""
    path = _file(run, ASKED, number)
    if not path.exists():
        return None
    values = json.loads(path.read_text())
    return Candidate(number, tuple(values["genome"]), values["origin"])


def every_asked(run: Path) -> list[Candidate]:
    """All candidates that the search has asked for, in order."""
    numbers = sorted(int(path.stem) for path in (run / ASKED).glob("[0-9]*.json"))
    return [one for number in numbers if (one := asked_of(run, number)) is not None]


def write_asked(run: Path, candidate: Candidate) -> None:
    """Ask for a candidate."""
    (run / ASKED).mkdir(exist_ok=True)
    told = {"genome": candidate.genome, "origin": candidate.origin}
    write_whole(_file(run, ASKED, candidate.number), json.dumps(told).encode())


def ask_no_more(run: Path) -> None:
    """End the search."""
    write_whole(run / ASKED / NO_MORE, b"")


def asks_no_more(run: Path) -> bool:
    """Whether the search has ended before its budget was spent."""
    return (run / ASKED / NO_MORE).exists()


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate and what it came to: the mean error with its interval, and what is left.

    The error is that of the validation part, by which the search chooses. By seed and fold,
    `validation` and `scores` are what the chosen epoch has on the validation and the test part,
    `best_test` the best test score of any epoch.
    """

    number: int
    genome: Genome
    origin: str
    error: Estimate
    edges: float
    weights: float
    validation: tuple[float, ...]
    scores: tuple[float, ...]
    best_test: tuple[float, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Lost:
    """A candidate that could not be evaluated, and why."""

    number: int
    genome: Genome
    origin: str
    reason: str

    def __str__(self) -> str:
        return f"candidate {self.number}, {self.origin}, failed: {self.reason}"


def found_of(run: Path, number: int) -> Found | Lost | None:
    """What is known of a candidate."""
    path = _file(run, CANDIDATES, number)
    return read_found(path) if path.exists() else None


def found_files(run: Path) -> list[Path]:
    """The file of every candidate that is over, in order."""
    return sorted((run / CANDIDATES).glob("[0-9]*.json"), key=lambda path: int(path.stem))


def read_found(path: Path) -> Found | Lost:
    """Return what a candidate's file tells."""
    values: dict[str, Any] = json.loads(path.read_text())
    if "reason" in values:
        return Lost(**values | {"genome": tuple(values["genome"])})
    lists = ("genome", "validation", "scores", "best_test")
    values |= {name: tuple(values[name]) for name in lists}
    values["error"] = Estimate(**values["error"])
    return Found(**values)


def every_found(run: Path) -> list[Found]:
    """All candidates that are evaluated, in order."""
    return [one for one in map(read_found, found_files(run)) if isinstance(one, Found)]


def every_lost(run: Path) -> list[Lost]:
    """All candidates that could not be evaluated, in order."""
    return [one for one in map(read_found, found_files(run)) if isinstance(one, Lost)]


def write_found(run: Path, found: Found | Lost) -> None:
    """Write what a candidate came to."""
    (run / CANDIDATES).mkdir(exist_ok=True)
    write_whole(_file(run, CANDIDATES, found.number), json.dumps(asdict(found)).encode())


def _file(run: Path, folder: str, number: int) -> Path:
    return run / folder / f"{number:04d}.json"
