"""Candidates: what the plans of a lottery search came to, one file each in the run's folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...search.candidate import Estimate
from ...search.space import Genome
from ..storage.whole_file import write_whole

CANDIDATES = "candidates"


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
    path = run / CANDIDATES / f"{number:04d}.json"
    return read_found(path) if path.exists() else None


def found_files(run: Path) -> list[Path]:
    """The file of every candidate that is over, in order."""
    return sorted((run / CANDIDATES).glob("*.json"), key=lambda path: int(path.stem))


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
    path = run / CANDIDATES / f"{found.number:04d}.json"
    write_whole(path, json.dumps(asdict(found)).encode())
