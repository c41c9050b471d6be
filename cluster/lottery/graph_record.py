"""Graph record: what the folder of a training on graphs tells."""

from functools import cached_property
from pathlib import Path

from ...search.candidate import Estimate
from ..settings.graph_config import GraphConfig, check_graph_config
from ..storage.journal import Journal
from .candidates import every_found, every_lost
from .rounds import TRANSFER, failures, removed_of, rows
from .tickets import Tickets, tickets_found, tickets_of

TIMES, THINNING = "times", "thinning"
"""The facts that hold the time of each round's ticket, as a share of the dense network's: of its
network, and of thinning graphs that are new."""

MASKERS_REMOVE = "maskers_remove"
"""The fact that holds the share of the edges that each round of another run's maskers removes."""

TICKETS, PICTURE, REPORT = "tickets", "tickets.png", "report.html"
"""In the run's folder: the exported tickets, the picture and the page."""


class GraphRecord:
    """A training on graphs on disk."""

    def __init__(self, path: Path, journal: Journal | None = None) -> None:
        self.path = path
        self.journal = journal or Journal.open(path)

    @cached_property
    def config(self) -> GraphConfig:
        """The configuration that it was launched with, and the authors' settings in it."""
        return check_graph_config(self.journal.fact("config"), source=str(self.path))

    def tickets(self) -> Tickets:
        """Everything found so far; a ValueError before the first dense network is trained."""
        times, thinning = self._estimates(TIMES), self._estimates(THINNING)
        found = (
            tickets_found(every_found(self.path), times=times, thinning=thinning)
            if self.config.search
            else tickets_of(
                rows(self.path),
                failures(self.path),
                removed=self._removed(),
                times=times,
                thinning=thinning,
            )
        )
        lost = lost_lines(self.path)
        if found is None and lost:
            raise ValueError(f"{self.path} has no dense network to compare tickets with: {lost[0]}")
        if found is None:
            raise ValueError(
                f"{self.path} has no round yet: the dense network comes first; go on with: "
                f"secateur resume {self.path}"
            )
        return found

    def _estimates(self, fact: str) -> dict[int, Estimate]:
        """What a fact holds of each round's ticket."""
        return {int(number): Estimate(**one) for number, one in self.journal.fact(fact, {}).items()}

    def _removed(self) -> dict[str, tuple[float, float]]:
        """What each round of each variant removes."""
        settings = self.config.icpg
        removed = {str(variant): removed_of(settings, variant) for variant in settings.variants}
        theirs = self.journal.fact(MASKERS_REMOVE)
        return removed if theirs is None else removed | {TRANSFER: (theirs, 0.0)}

    @property
    def lost(self) -> list[str]:
        """A line for each unit or candidate that failed."""
        return lost_lines(self.path)


def lost_lines(path: Path) -> list[str]:
    """A line for each unit or candidate of a run that failed."""
    return [str(one) for one in (*failures(path), *every_lost(path))]
