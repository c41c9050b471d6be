"""Sweep: what the layers of a network take on this machine, in many widths, before any search."""

from dataclasses import astuple, dataclass

import numpy as np

from ...actors.cores import confined, split_cores
from ...methods.data.photographs import photographs
from ...methods.measuring.fingerprint import fingerprint, identity
from ...methods.measuring.operators import operator_times
from ...methods.measuring.preparation import Preparation
from ...methods.models.named import Model
from ...methods.pruning.onnx_graph import OnnxTemplate, export
from ...methods.pruning.plan import trace
from ...methods.pruning.surgery import Pruner
from ..settings.config import Latency
from .operator_library import learn, model_of
from .targets import target_for

LEAST_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Swept:
    """How many cuts were run, how many layers timed, how many different ones are known by now.

    `error` is the median error of what the layers of a cut are predicted to take together, learned
    from the other half of the cuts; absent where they have too few different layers.
    """

    cuts: int
    timed: int
    known: int
    error: float | None


def sweep(model: Model, settings: Latency, cuts: int) -> Swept:
    """Run a network with so many random widths, and add what its layers take to the library."""
    example = photographs(model.shape, model.normalisation)[:1]
    pruner = Pruner.by("l2", model.network, trace(model.network, example))
    template, target = OnnxTemplate(export(model.network, example)), target_for(settings)
    prepare = Preparation(template.fill(pruner.state), target)
    rng = np.random.default_rng(0)
    found: list[list[tuple[float, ...]]] = []
    with confined(split_cores(target.threads).profiler):
        for _ in range(cuts):
            graph = template.fill(pruner.sliced_state(_widths(pruner.plan.widths, rng)))
            found.append([astuple(one) for one in operator_times(prepare(graph))])
    rows = [row for one in found for row in one]
    known = learn(identity(fingerprint(target)), rows)
    return Swept(cuts, len(rows), len(known), _held_out(found))


def _widths(dense: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
    """Draw widths around a random level."""
    level = rng.uniform(LEAST_SHARE, 1.0)
    shares = np.clip(level + rng.uniform(-0.2, 0.2, len(dense)), LEAST_SHARE, 1.0)
    return tuple(np.maximum(1, np.rint(shares * dense)).astype(int).tolist())


def _held_out(found: list[list[tuple[float, ...]]]) -> float | None:
    """Learn from every other cut, and predict the rest."""
    learned: dict[tuple[int, int, int, int, int], list[float]] = {}
    for *sizes, milliseconds in (row for one in found[::2] for row in one):
        outputs, inputs, height, width, positions = map(int, sizes)
        key = (outputs, inputs, height, width, positions)
        learned.setdefault(key, []).append(milliseconds)
    model = model_of(learned)
    if model is None or len(found) < 2:
        return None
    tables = [np.array(one) for one in found[1::2]]
    errors = [abs(model(table[:, :5]).sum() / table[:, 5].sum() - 1) for table in tables]
    return float(np.median(errors))
