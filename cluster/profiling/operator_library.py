"""Operator library: what layers have taken on each target, for all runs of a user.

A run takes a copy when it begins, so that it does not depend on what others add meanwhile, and
gives back what it has measured when it is complete.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...actors.job import OPERATORS, Answer, Quantity, is_latency, once
from ...methods.pruning.counts import Counts
from ...search.surrogate import Genomes
from ...surrogates.operator_model import LEAST, OperatorModel, layers_time
from ..runs.workpiece import Workpiece
from ..storage.whole_file import write_whole

COPY = "operators.json"
"""In a run's folder: what was known when it began, by quantity."""

KEPT = 40
"""Times that are kept of each layer, the latest."""

Layer = tuple[int, int, int, int, int]
"""Outputs, inputs, height and width of a weight, and how often it is applied."""

Times = Mapping[Layer, Sequence[float]]
"""Milliseconds by layer."""


def known(place: str) -> dict[Layer, list[float]]:
    """Return what is known of a place, as `targets.places` names it; nothing if nothing is."""
    path = _path(place)
    return _read(json.loads(path.read_text())) if path.is_file() else {}


def learn(place: str, rows: Iterable[Sequence[float]]) -> dict[Layer, list[float]]:
    """Add rows of a layer's five sizes and its milliseconds, and return what is known then."""
    times = known(place)
    for *sizes, milliseconds in rows:
        outputs, inputs, height, width, positions = map(int, sizes)
        one = times.setdefault((outputs, inputs, height, width, positions), [])
        one.append(milliseconds)
        del one[:-KEPT]
    path = _path(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(_plain(times)).encode())
    return times


def model_of(times: Times) -> OperatorModel | None:
    """Learn from what is known, if it is enough."""
    if len(times) < LEAST:
        return None
    rows = [(*layer, one) for layer, every in times.items() for one in every]
    table = np.array(rows, dtype=np.float64)
    return OperatorModel(table[:, :5], table[:, 5])


def copied(places: Mapping[Quantity, str]) -> bytes:
    """Return what is known of places, for a run that begins."""
    return json.dumps({name: _plain(known(place)) for name, place in places.items()}).encode()


def prior_for(
    workpiece: Workpiece, quantity: Quantity, batch: int
) -> Callable[[Genomes], NDArray[np.float64]] | None:
    """What a run may expect of a latency by the layers alone, from what was known when it began."""
    path = workpiece.directory / COPY
    if not path.is_file():
        return None
    model = model_of(_read(json.loads(path.read_text()).get(quantity, [])))
    if model is None:
        return None
    layers = Counts(workpiece.prunable.plan, workpiece.pruner.network).layers
    return layers_time(model, layers.fixed, layers.per_width, batch * layers.positions)


def measured(answers: Iterable[Mapping[Quantity, Answer]]) -> dict[Quantity, list[list[float]]]:
    """Return the rows that the profilers of a run have told, by quantity."""
    rows: dict[Quantity, list[list[float]]] = {}
    for given in answers:
        for name, answer in given.items():
            if is_latency(name):
                rows.setdefault(once(name), []).extend(answer.beside.get(OPERATORS, []))
    return rows


def _path(place: str) -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(home) if home else Path.home() / ".cache") / "secateur" / "operators"
    return folder / f"{hashlib.sha256(place.encode()).hexdigest()[:16]}.json"


def _plain(times: Times) -> list[list[object]]:
    return [[list(layer), list(every)] for layer, every in times.items()]


def _read(rows: Iterable[Sequence[Sequence[float]]]) -> dict[Layer, list[float]]:
    times: dict[Layer, list[float]] = {}
    for sizes, every in rows:
        outputs, inputs, height, width, positions = map(int, sizes)
        times[outputs, inputs, height, width, positions] = list(every)
    return times
