"""Does the search come near fronts that are known? ZDT and DTLZ on a grid, beside NSGA-II.

    python benchmarks/synthetic.py [--quick] [--json]

Eight genes of 21 steps stand for the variables of pymoo's problems; every second one counts
backwards, so that uniform scaling, with which HAMP begins, does not run along the front. HAMP, with
a Gaussian process for each objective, and pymoo's NSGA-II have the same budget; what is compared is
the inverted generational distance of all that was evaluated from the problem's own front, the
smaller the better.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.indicators.igd import IGD
from pymoo.problems import get_problem
from rich.console import Console
from rich.table import Table

from secateur.search.algorithm import Algorithm, Search
from secateur.search.candidate import Estimate, Evaluation
from secateur.search.goals import Goals
from secateur.search.hamp import HAMP
from secateur.search.nsga2 import NSGA2
from secateur.search.objective import Objective
from secateur.search.space import LayerGroup, Space
from secateur.search.surrogate import Genomes, Predictor
from secateur.surrogates.gaussian_process import GaussianProcess

GENES, STEPS = 8, 20
SPACE = Space(tuple(LayerGroup(f"x{index}", STEPS + 1, 1, 1) for index in range(GENES)))
PROBLEMS = ("zdt1", "zdt2", "zdt6", "dtlz2", "dtlz4")


def problem_of(name: str) -> Any:
    """Return pymoo's problem with as many variables as there are genes."""
    return get_problem(name, n_var=GENES)


def process(genomes: Genomes, values: NDArray[np.float64]) -> Predictor:
    """A Gaussian process on the variables."""
    model = GaussianProcess(variables(genomes), values)
    return lambda rows: model(variables(rows))


def variables(genomes: Genomes) -> NDArray[np.float64]:
    """Genes as numbers from 0 to 1, every second one from 1 to 0."""
    scaled: NDArray[np.float64] = (genomes - 1) / STEPS
    scaled[:, 1::2] = 1 - scaled[:, 1::2]
    return scaled


def goals_of(problem: Any) -> Goals:
    """The problem's objectives as they are: these fronts lie between 0 and 1."""
    return Goals(tuple(Objective(f"f{index}", relative=False) for index in range(problem.n_obj)))


def hamp(problem: Any, seed: int) -> Algorithm:
    """HAMP, with a Gaussian process for every objective."""
    return HAMP(SPACE, goals_of(problem), [process] * problem.n_obj, seed=seed)


def nsga2(problem: Any, seed: int) -> Algorithm:
    """NSGA-II as pymoo has it."""
    return NSGA2(SPACE, goals_of(problem), seed=seed)


ALGORITHMS: dict[str, Callable[[Any, int], Algorithm]] = {"hamp": hamp, "nsga2": nsga2}


def distance(name: str, make: Callable[[Any, int], Algorithm], seed: int, budget: int) -> float:
    """Search a problem and return how far its front is from what was found."""
    problem = problem_of(name)
    search, found = Search(make(problem, seed), SPACE, window=1), []
    while len(found) < budget and (candidate := search.ask()) is not None:
        point = problem.evaluate(variables(np.array([candidate.genome])))[0]
        found.append(point)
        search.tell(Evaluation(candidate, tuple(map(Estimate.exact, point.tolist()))))
    return float(IGD(problem.pareto_front())(np.array(found)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed of 60 evaluations")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    seeds, budget = (range(1), 60) if options.quick else (range(5), 200)
    found: dict[str, dict[str, list[float]]] = {}
    for name in PROBLEMS:
        for algorithm, make in ALGORITHMS.items():
            row = [distance(name, make, seed, budget) for seed in seeds]
            found.setdefault(name, {})[algorithm] = row
            print(f"{name} {algorithm}: {statistics.mean(row):.4f}", file=sys.stderr)
    summary = {
        f"igd_{algorithm}_{name}": statistics.mean(values)
        for name, row in found.items()
        for algorithm, values in row.items()
    }
    if options.json:
        print(json.dumps({"summary": summary, "distances": found}))
        return
    table = Table(
        title=f"Inverted generational distance after {budget} evaluations (mean of {len(seeds)})"
    )
    for heading in ("problem", *ALGORITHMS, "hamp / nsga2"):
        table.add_column(heading, justify="left" if heading == "problem" else "right")
    for name, row in found.items():
        means = {algorithm: statistics.mean(values) for algorithm, values in row.items()}
        cells = [f"{value:.4f}" for value in means.values()]
        table.add_row(name, *cells, f"{means['hamp'] / means['nsga2']:.2f}x")
    Console().print(table)


if __name__ == "__main__":
    main()
