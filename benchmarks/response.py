"""A network's response to pruning, learned from the recorded evaluations: what searches run on.

    python benchmarks/response.py [--quick] [--json]

How far a search comes takes hundreds of evaluations and many seeds to tell. A response model of the
networks in `benchmarks/data/NETWORK.parquet` answers in a millisecond: error by an ensemble of
small neural networks, latency by a sum over the groups, both on thermometer codes of the widths;
memory is counted, not learned. Neither is of a kind that a surrogate of the search is. What the
models leave unexplained is put back as noise, drawn anew for every genome and the same each time.

Run alone it tells the held-out errors (five-fold cross-validation). `--quick` learns from fewer
networks.
"""

import argparse
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from untrained import Untrained

from secateur.cluster.settings.config import read_config
from secateur.search.space import LayerGroup, Space

HERE = Path(__file__).parent
NETWORKS = ("resnet20", "resnet56")
_EDGE = 0.002

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Recorded:
    """The recorded networks: widths of shape (networks, groups), and what was measured of each.

    Each network stands here once, as it was first measured: all runs begin with the same ones.
    """

    widths: NDArray[np.int64]
    measured: Mapping[str, Values]

    @classmethod
    def of(cls, network: str, limit: int | None = None) -> "Recorded":
        """Read a network's file, or an evenly spread part of it."""
        path = HERE / "data" / f"{network}.parquet"
        if not path.exists():
            raise SystemExit(f"nothing is recorded at {path}: run benchmarks/landscape.py")
        rows = pyarrow.parquet.read_table(path)
        first = {
            tuple(widths): row for row, widths in reversed([*enumerate(rows["widths"].to_pylist())])
        }
        rows = rows.take(sorted(first.values()))
        if limit and limit < len(rows):
            rows = rows.take(np.linspace(0, len(rows) - 1, limit).astype(np.int64))
        numbers = [name for name in rows.column_names if name not in ("kind", "origin", "widths")]
        measured = {name: rows[name].to_numpy().astype(np.float64) for name in numbers}
        return cls(np.array(rows["widths"].to_pylist()), measured)

    def known(self, quantity: str) -> tuple[NDArray[np.int64], Values]:
        """The widths and values of the networks of which a quantity is measured."""
        values = self.measured[quantity]
        there = np.isfinite(values)
        return self.widths[there], values[there]

    @property
    def latencies(self) -> tuple[str, ...]:
        """The names of the latencies: one for each device."""
        return tuple(
            name
            for name in self.measured
            if name.startswith("latency") and not name.endswith(("_low", "_high"))
        )


@dataclass(frozen=True)
class Target:
    """How a measured quantity is learned: what of, on which scale, by which regression."""

    forward: Callable[[Values], Values]
    back: Callable[[Values], Values]
    regressions: Callable[[], Sequence[Any]]


def _networks() -> list[Any]:
    return [
        make_pipeline(
            StandardScaler(),
            MLPRegressor(
                hidden_layer_sizes=(32,),
                activation="tanh",
                alpha=1.0,
                solver="lbfgs",
                max_iter=1000,
                random_state=number,
            ),
        )
        for number in range(4)
    ]


def _logit(values: Values) -> Values:
    clipped = np.clip(values, _EDGE, 1 - _EDGE)
    return np.log(clipped / (1 - clipped))


def _logistic(values: Values) -> Values:
    return 1 / (1 + np.exp(-values))


def target_of(name: str) -> Target:
    """Errors by neural networks on the logit, latencies by a sum on the logarithm."""
    if name == "error":
        return Target(_logit, _logistic, _networks)
    return Target(np.log, np.exp, lambda: [RidgeCV(np.logspace(-4, 3, 20))])


@dataclass(frozen=True)
class Learned:
    """One quantity, learned: its regressions, the scale, and the spread that they leave."""

    regressions: Sequence[Any]
    offset: float
    scale: float
    spread: float
    back: Callable[[Values], Values]
    held_out: Values  # what each recorded network was predicted from the others

    @classmethod
    def from_records(cls, codes: Values, values: Values, target: Target) -> "Learned":
        """Fit on all; the spread comes from five-fold cross-validation."""
        wanted = target.forward(values)
        offset, scale = float(wanted.mean()), float(wanted.std())
        standard, folds = (wanted - offset) / scale, KFold(5, shuffle=True, random_state=0)
        held = np.mean(
            [cross_val_predict(r, codes, standard, cv=folds) for r in target.regressions()], axis=0
        )
        return cls(
            [regression.fit(codes, standard) for regression in target.regressions()],
            offset,
            scale,
            float((held - standard).std()) * scale,
            target.back,
            target.back(held * scale + offset),
        )

    def __call__(self, codes: Values, noise: float | Values) -> Values:
        """Predict, with so many spreads of noise."""
        mean = np.mean([regression.predict(codes) for regression in self.regressions], axis=0)
        return self.back(mean * self.scale + self.offset + self.spread * noise)


class Response:
    """Stands for the evaluators and the profiler of one network."""

    def __init__(self, network: str, *, limit: int | None = None) -> None:
        self.recorded = Recorded.of(network, limit)
        untrained = Untrained.of(int(network.removeprefix("resnet")))
        self.space, self.cost = _space(network, untrained), untrained.cost
        self.learned = {}
        for name in ("error", *self.recorded.latencies):
            widths, values = self.recorded.known(name)
            self.learned[name] = Learned.from_records(self._codes(widths), values, target_of(name))

    def __call__(self, genome: Sequence[int], latency: str = "latency_ms") -> tuple[float, ...]:
        """Answer as if measured: error, latency on one of the devices, memory in bytes."""
        widths = np.array([genome], dtype=np.int64)
        codes = self._codes(widths)
        values = []
        for name in ("error", latency):
            rng = np.random.default_rng([zlib.crc32(name.encode()), *genome])
            values.append(float(self.learned[name](codes, rng.standard_normal())[0]))
        return (*values, float(self.cost.memory_bytes(widths)[0]))

    def _codes(self, widths: NDArray[np.int64]) -> Values:
        """Thermometer codes: for every width on a group's grid whether the group has that many."""
        return np.concatenate(
            [
                (widths[:, [group]] >= np.array(choices[1:])).astype(np.float64)
                for group, choices in enumerate(self.space.choices)
            ],
            axis=1,
        )


def _space(network: str, untrained: Untrained) -> Space:
    """The space of the example's configuration."""
    pruning = read_config(HERE.parent / "examples" / f"cifar10-{network}.yaml", {}).pruning
    return Space(
        tuple(
            LayerGroup(group.name, group.width, pruning.minimum, pruning.round_to)
            for group in untrained.pruner.plan.groups
        )
    )


def held_out(response: Response) -> dict[str, dict[str, float]]:
    """How far the models are off on networks they did not learn from, by quantity."""
    found = {}
    for name, learned in response.learned.items():
        _, true = response.recorded.known(name)
        off = learned.held_out - true
        if name != "error":
            off = off / true
        found[name] = {
            "tau": float(kendalltau(learned.held_out, true).statistic),
            "median": float(np.median(np.abs(off))),
            "rms": float(np.sqrt(np.mean(off**2))),
            "networks": len(true),
        }
    return found


def main() -> None:
    """Learn and tell how well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="ResNet-20, from 150 networks")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    summary: dict[str, float] = {}
    table = Table(title="Held-out errors of the response models (error in points, latency in %)")
    for heading in ("network", "networks", "quantity", "Kendall's tau", "median", "rms"):
        table.add_column(heading, justify="right" if heading != "network" else "left")
    for network in NETWORKS[:1] if options.quick else NETWORKS:
        response = Response(network, limit=150 if options.quick else None)
        for quantity, found in held_out(response).items():
            summary |= {f"{key}_{quantity}_{network}": value for key, value in found.items()}
            cells = (f"{100 * found['median']:.2f}", f"{100 * found['rms']:.2f}")
            table.add_row(network, str(found["networks"]), quantity, f"{found['tau']:.3f}", *cells)
    if options.json:
        print(json.dumps({"summary": summary}))
        return
    Console().print(table)


if __name__ == "__main__":
    main()
