"""Warm start: what an earlier run has measured, where it holds for this one, too.

A run takes it over when it begins and keeps it in its folder: what it does then does not depend on
what becomes of the earlier one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..actors.job import Quantity
from ..search.candidate import Estimate
from ..search.space import Genome, Space
from .exports.trained import RESULT
from .profiling.targets import PLACES
from .runs.readings import is_rough, settled
from .runs.record import METHOD, Record
from .runs.workpiece import DENSE_WEIGHTS, RANKINGS
from .settings.checked import ConfigError
from .settings.config import Config
from .storage.whole_file import write_whole

TAKEN_OVER = "warm_start.json"
"""In a run's folder: what it has taken over when it began."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier run's measurements by quantity and genome, and its front from end to end."""

    front: tuple[Genome, ...] = ()
    known: Mapping[Quantity, Mapping[Genome, Estimate]] = field(default_factory=dict)

    def answer(self, genome: Genome, quantity: Quantity) -> Estimate | None:
        """Return what is known already, if it is."""
        return self.known.get(quantity, {}).get(genome)


def require_comparable(config: Config) -> None:
    """Refuse an earlier run whose errors were found in another way, before anything starts."""
    if config.search.warm_start is None:
        return
    source = Record(Path(config.search.warm_start))
    theirs = source.config
    if source.journal.fact(METHOD) is not None:
        if source.journal.fact(RESULT) is None:
            raise ConfigError(f"search.warm_start: {source.path} is not complete")
        return  # it gives widths alone
    same = ("name", "recalibration_images")
    if theirs.pruning != config.pruning:
        raise _other(config, "pruning")
    if any(getattr(theirs.data, key) != getattr(config.data, key) for key in same):
        raise _other(config, "data")


def earlier(run: Record, space: Space) -> Earlier:
    """Return what a run has taken over from an earlier one, which is looked at but once."""
    if run.config.search.warm_start is None:
        return Earlier()
    path = run.path / TAKEN_OVER
    if not path.is_file():
        write_whole(path, _written(_taken_over(run, space)))
    run.artifacts.keep(path)
    return _read(path)


def _taken_over(run: Record, space: Space) -> Earlier:
    """Take over what an earlier run knows: errors always, latencies from the same device only.

    Errors hold where network, weights, data, criterion and recalibration are the same; another
    dense network is refused. What is known roughly alone is left behind. Of a training its widths
    alone are taken over, as a place to begin at.
    """
    config = run.config
    source = Record(Path(str(config.search.warm_start)))
    if source.journal.fact(METHOD) is not None:
        return Earlier(front=(_trained_widths(config, source, space),))
    for name in (DENSE_WEIGHTS, RANKINGS):
        if _content(source.path / name) != (run.path / name).read_bytes():
            raise _other(config, "dense network")
    wanted: list[Quantity] = ["error", *_same_latencies(run, source)]
    genomes = {candidate.number: candidate.genome for candidate, _ in source.journal.candidates()}
    known: dict[Quantity, dict[Genome, Estimate]] = {quantity: {} for quantity in wanted}
    for number, answers in source.journal.answers().items():
        for quantity in wanted:
            if quantity not in answers or is_rough(answers, quantity):
                continue
            if isinstance(result := settled(answers, quantity), Estimate):
                known[quantity][genomes[number]] = result
    results = source.results()
    front = tuple(one.genome for one in results.search_front if one.id != results.dense.id)
    return Earlier(front, known)


def _same_latencies(run: Record, source: Record) -> list[Quantity]:
    """The latencies that both measure in the same place, as the same statistic."""
    here, there = (one.journal.fact(PLACES, {}) for one in (run, source))
    return [
        name
        for name, place in here.items()
        if there.get(name) == place
        and source.config.timing(name).statistic == run.config.timing(name).statistic
    ]


def _written(taken_over: Earlier) -> bytes:
    known = {
        quantity: [[genome, of.value, of.low, of.high] for genome, of in estimates.items()]
        for quantity, estimates in taken_over.known.items()
    }
    return json.dumps({"front": taken_over.front, "known": known}).encode()


def _read(path: Path) -> Earlier:
    values = json.loads(path.read_text())
    return Earlier(
        tuple(map(tuple, values["front"])),
        {
            quantity: {tuple(genome): Estimate(*numbers) for genome, *numbers in rows}
            for quantity, rows in values["known"].items()
        },
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"search.warm_start: cannot read {path}: {error.strerror}; an earlier run is needed "
            "whole until this one has begun"
        ) from error


def _trained_widths(config: Config, source: Record, space: Space) -> Genome:
    """The widths that a training has come to, as near as the grid of the search allows."""
    widths = source.journal.fact(RESULT)["widths"]
    if len(widths) != len(space.groups):
        raise _other(config, "dense network")
    return (*space.repair(widths), *[0] * (space.genes - len(widths)))


def _other(config: Config, what: str) -> ConfigError:
    return ConfigError(
        f"search.warm_start: {config.search.warm_start} has another {what}: its errors do not "
        "hold here"
    )
