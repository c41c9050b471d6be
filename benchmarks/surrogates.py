"""Which model predicts recorded networks best? Surrogates, ranking networks they did not see.

    python benchmarks/surrogates.py [--quick] [--json]

Every model learns from some of the recorded networks (`benchmarks/data`), drawn at random five
times, and ranks 200 others: Kendall's tau, mean and spread, and the seconds that one fit and one
prediction of 100 networks take on one thread. The logit of the error is learned, and the latency
as it is. `--quick` takes ResNet-20 and the smaller number alone, once.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from response import NETWORKS, Recorded
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import BayesianRidge
from threadpoolctl import threadpool_limits

from secateur.search.surrogate import Surrogate
from secateur.surrogates.error_model import error_model
from secateur.surrogates.gaussian_process import GaussianProcess
from secateur.surrogates.latency_model import latency_model, staircase_features

Values = NDArray[np.float64]
HELD_OUT = 200


def learned_by(make: Callable[[], Any], features: Callable[[Values], Values]) -> Surrogate:
    """Wrap one of scikit-learn's regressions as a surrogate; its deviations are not asked for."""

    def surrogate(genomes: Values, values: Values) -> Callable[[Values], tuple[Values, Values]]:
        model = make().fit(features(genomes), values)
        return lambda rows: (model.predict(features(rows)), np.zeros(len(rows)))

    return surrogate


def process_on(features: Callable[[Values], Values]) -> Surrogate:
    """The product's Gaussian process on other features."""

    def surrogate(genomes: Values, values: Values) -> Callable[[Values], tuple[Values, Values]]:
        process = GaussianProcess(features(genomes), values)
        return lambda rows: process(features(rows))

    return surrogate


def models(dense: NDArray[np.int64], quantity: str) -> dict[str, Surrogate]:
    """The product's surrogate first, then what else there is, on widths and on staircases."""
    own = error_model(dense) if quantity == "error" else latency_model(dense)
    whole = staircase_features(dense[None], dense)
    widths, stairs = (
        lambda genomes: genomes / dense,
        lambda genomes: staircase_features(genomes, dense) / whole,
    )
    found: dict[str, Surrogate] = {"Gaussian process, ours": own}
    regressions: dict[str, Callable[[], Any]] = {
        "random forest": lambda: RandomForestRegressor(200, random_state=0),
        "extra trees": lambda: ExtraTreesRegressor(200, random_state=0),
        "gradient boosting": lambda: GradientBoostingRegressor(
            n_estimators=300, learning_rate=0.05, max_depth=3, subsample=0.7, random_state=0
        ),
        "Bayesian ridge": BayesianRidge,
    }
    for label, features in (("widths", widths), ("staircases", stairs)):
        found[f"Gaussian process, {label}"] = process_on(features)
        for name, make in regressions.items():
            found[f"{name}, {label}"] = learned_by(make, features)
    return found


def judged(
    surrogate: Surrogate, genomes: NDArray[np.int64], values: Values, count: int, seed: int
) -> dict[str, float]:
    """Learn from `count` networks and rank others; Kendall's tau and the seconds it took."""
    order = np.random.default_rng(seed).permutation(len(genomes))
    known, held = order[:count], order[-HELD_OUT:]
    with threadpool_limits(1):
        begun = time.perf_counter()
        predictor = surrogate(genomes[known], values[known])
        fitted = time.perf_counter()
        predictor(genomes[held][:100])
        predicted = time.perf_counter()
        means, _ = predictor(genomes[held])
    tau = float(kendalltau(means, values[held]).statistic)
    return {"tau": tau, "fit_s": fitted - begun, "predict_s": predicted - fitted}


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="ResNet-20 from 100 networks, once")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    networks, counts, repeats = NETWORKS, (100, 400), 5
    if options.quick:
        networks, counts, repeats = NETWORKS[:1], (100,), 1
    summary: dict[str, float] = {}
    for network in networks:
        recorded = Recorded.of(network)
        dense = recorded.widths.max(axis=0)
        for quantity in ("error", "latency_ms"):
            if quantity not in recorded.measured:
                continue
            widths, values = recorded.known(quantity)
            table = Table(
                title=f"{network}, {quantity}: Kendall's tau on {HELD_OUT} other networks"
            )
            table.add_column("model")
            usable = [count for count in counts if count + HELD_OUT <= len(values)]
            for count in usable:
                table.add_column(f"from {count}", justify="right")
                table.add_column("fit, predict (ms)", justify="right")
            for name, surrogate in models(dense, quantity).items():
                cells = []
                for count in usable:
                    runs = [
                        judged(surrogate, widths, values, count, seed) for seed in range(repeats)
                    ]
                    means = {key: statistics.mean(run[key] for run in runs) for key in runs[0]}
                    spread = statistics.pstdev(run["tau"] for run in runs)
                    key = f"{network}_{quantity}_{name}_{count}".replace(", ", "_").replace(
                        " ", "_"
                    )
                    summary[f"tau_{key}"] = means["tau"]
                    cells.append(f"{means['tau']:.3f} ({spread:.3f})")
                    cells.append(f"{1e3 * means['fit_s']:.0f}, {1e3 * means['predict_s']:.1f}")
                table.add_row(name, *cells)
            if not options.json:
                Console(width=120).print(table)
    if options.json:
        print(json.dumps({"summary": summary}))


if __name__ == "__main__":
    main()
