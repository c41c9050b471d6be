"""Progress: what a person sees while a run works."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bar,
)

from ...search.candidate import Evaluation
from .coordinator import Progress
from .quantity import Quantity


class Watcher(Protocol):
    """Is told what happens. It never decides anything."""

    def say(self, text: str) -> None:
        """A new phase, or something to know."""
        ...

    def step(self, text: str) -> None:
        """A step of a long phase: the next one makes it old."""
        ...

    def evaluated(self, progress: Progress) -> None:
        """One more candidate is measured."""
        ...


class Silent:
    """Watches without a word: the default of the Python interface."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def step(self, text: str) -> None:
        """Say nothing."""

    def evaluated(self, progress: Progress) -> None:
        """Show nothing."""


class Lines:
    """One line a phase and every few seconds one on the search: for logs and pipes."""

    def __init__(self, console: Console, quantities: Sequence[str], every_s: float = 5.0) -> None:
        self._console = console
        self._quantities = quantities
        self._every_s = every_s
        self._last = -every_s

    def say(self, text: str) -> None:
        """Print a phase."""
        self._print(text, always=True)

    def step(self, text: str) -> None:
        """Print a step where the last line is some seconds old."""
        self._print(text, always=False)

    def evaluated(self, progress: Progress) -> None:
        """Print how far the search is."""
        told = described(progress, self._quantities)
        text = f"{progress.answered}/{progress.budget} evaluated; {told}"
        self._print(text, always=progress.answered == progress.budget)

    def _print(self, text: str, *, always: bool) -> None:
        now = time.monotonic()
        if always or now - self._last >= self._every_s:
            self._last = now
            self._console.print(text, highlight=False, soft_wrap=True)


class Live:
    """A bar that moves, on a terminal."""

    def __init__(self, bar: Bar, quantities: Sequence[str]) -> None:
        self._bar = bar
        self._quantities = quantities
        self._task = bar.add_task("starting", total=None)

    def say(self, text: str) -> None:
        """Show a phase."""
        self._bar.update(self._task, description=text)

    def step(self, text: str) -> None:
        """Show a step."""
        self.say(text)

    def evaluated(self, progress: Progress) -> None:
        """Move the bar."""
        self._bar.update(
            self._task,
            completed=progress.answered,
            total=progress.budget,
            description=f"searching: {described(progress, self._quantities)}",
        )


@contextmanager
def watching(console: Console, quantities: Sequence[str]) -> Iterator[Watcher]:
    """Show a bar on a terminal, lines elsewhere."""
    if not console.is_terminal:
        yield Lines(console, quantities)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        yield Live(bar, quantities)


def described(progress: Progress, quantities: Sequence[str]) -> str:
    """Tell the newest outcome in a few words."""
    outcome = progress.outcome
    number = outcome.candidate.number
    if not isinstance(outcome, Evaluation):
        return f"#{number} failed: {outcome.reason}"
    values = (
        Quantity.of(name, value) for name, value in zip(quantities, outcome.objectives, strict=True)
    )
    told = ", ".join(
        f"{quantity.label.lower()} {quantity.text(value)} {quantity.unit}"
        for quantity, value in zip(values, outcome.objectives, strict=True)
    )
    return f"#{number} ({outcome.candidate.origin}) {told}"
