"""Does the search find more than its baselines? Many searches on recorded networks, side by side.

    python benchmarks/search.py [--quick] [--json] [--folder DIR] [--jobs N] [--seeds N]
        [--algorithms "A;B"]

Every algorithm gets the same budget, the same seeds and the same response model (`response.py`) of
ResNet-20 and of ResNet-56: error, latency and memory. What is compared is the hypervolume below 1.1
in each objective, latency and memory relative to the dense network. `share` is the part of its
budget that an algorithm needs to have as much as NSGA-II has at its end, seed by seed; p-values are
Wilcoxon's signed-rank test of HAMP against the others at the end. With fewer images first, a look
at 1,000 of the 5,000 images counts 0.37 of an evaluation, and only networks measured on all images
count for the hypervolume. Where latencies are predicted, networks count by their true ones all the
same; `latencies_share` tells how many were measured beside how many HAMP measures for as much
hypervolume, seed by seed (what is measured of the front at the end comes to both). Warm starts go
on from HAMP's search on the first device, to the second one. `--folder` keeps what was found;
`--algorithms "A;B"` leaves others out, but for HAMP and NSGA-II. `--quick` takes two seeds, a short
budget and a rougher model.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from response import NETWORKS, Response
from rich.console import Console
from rich.table import Table
from scipy.stats import wilcoxon
from threadpoolctl import threadpool_limits

from secateur.cluster.settings.config import Config, Fidelity
from secateur.methods.models.accuracy import error_estimate
from secateur.search.algorithm import Algorithm, Search
from secateur.search.baselines import RandomSearch, UniformScaling
from secateur.search.candidate import Candidate, Estimate, Evaluation
from secateur.search.fidelity import Promotion
from secateur.search.goals import Goals
from secateur.search.hamp import HAMP, Settings
from secateur.search.indicators import front, running_hypervolume
from secateur.search.netadapt import NetAdapt
from secateur.search.nsga2 import NSGA2
from secateur.search.objective import Objective
from secateur.search.operator_portfolio import OperatorPortfolio
from secateur.search.optuna_nsga2 import OptunaNSGA2
from secateur.search.selection import Selection, rank_and_crowding
from secateur.search.space import Genome
from secateur.search.sparing import Sparing
from secateur.surrogates.error_model import error_model
from secateur.surrogates.formula import formula
from secateur.surrogates.latency_model import latency_model

GOALS = Goals(
    (Objective("error", False), Objective("latency_ms", True), Objective("memory_bytes", True))
)
WORST = 1.1
WINDOW = Config().search.window
FIRST, SECOND = "latency_ms", "latency_batch_ms"
IMAGES, FEWER = 5000, 1000  # that an error counts, all and first
LOOK = 0.37
"""What an error on fewer images takes, recalibration and all, beside one on all images.

5.4 of 14.5 s for half a ResNet-56, by the times of benchmarks/evaluation.py.
"""


@dataclass
class Found:
    """What a search measured on all images, in order: genomes, normalised points, and when.

    The moments count evaluations, rough ones by what they take; `latencies` are how many were
    measured by then.
    """

    genomes: list[Genome] = field(default_factory=list)
    points: list[tuple[float, ...]] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    latencies: list[int] = field(default_factory=list)

    def volumes(self, budget: int) -> list[float]:
        """The hypervolume after one evaluation, two, ..., the budget."""
        reached = running_hypervolume(np.array(self.points))
        counts = np.searchsorted(self.moments, np.arange(1, budget + 1) + 1e-9)
        return [reached[count - 1] for count in counts]


@dataclass(frozen=True)
class Start:
    """Where a search begins: its seed, and what is known from another device."""

    seed: int
    warm: tuple[Genome, ...] = ()
    errors: Mapping[Genome, float] = field(default_factory=dict)


def hamp(
    response: Response, start: Start, selection: Selection | None = None, **settings: float
) -> HAMP:
    """HAMP as the product sets it up, but for the settings and the selection given."""
    dense = [group.width for group in response.space.groups]
    surrogates = [
        error_model(dense),
        latency_model(dense),
        formula(response.cost.memory_bytes, len(dense)),
    ]
    return HAMP(
        response.space,
        GOALS,
        surrogates,
        seed=start.seed,
        settings=Settings(worst_error=WORST, **settings),
        selection=selection,
        warm=start.warm,
        prior={"error": start.errors},
    )


ALGORITHMS: dict[str, Callable[[Response, Start], Algorithm]] = {
    "hamp": hamp,
    "nsga2": lambda response, start: NSGA2(response.space, GOALS, seed=start.seed),
    "optuna-nsga2": lambda response, start: OptunaNSGA2(
        response.space, seed=start.seed, objectives=len(GOALS.objectives)
    ),
    "netadapt": lambda response, _: NetAdapt(response.space),
    "uniform": lambda response, _: UniformScaling(response.space),
    "random": lambda response, start: RandomSearch(response.space, seed=start.seed),
    "hamp, operators": lambda response, start: hamp(
        response, start, OperatorPortfolio(GOALS.reference(WORST))
    ),
    "hamp, nsga2 selection": lambda response, start: hamp(response, start, rank_and_crowding),
    "hamp, fewer images first": hamp,
    "hamp, latencies predicted": hamp,
    "hamp, no local search": lambda response, start: hamp(response, start, local_search=0.0),
}
SEEDLESS = ("netadapt", "uniform")
RUNGS, PROMOTION = "hamp, fewer images first", Promotion(Fidelity().promotion, WINDOW, GOALS)
FORETOLD, MEASURED = "hamp, latencies predicted", "latencies measured"
WITHIN = 0.05
"""How certain a prediction has to be to stand for a measurement, as a share of its value."""
WARM, COLD = "hamp, warm", "hamp, second device"


def searched(
    algorithm: Algorithm,
    response: Response,
    budget: int,
    *,
    latency: str = FIRST,
    promotion: Promotion | None = None,
    sparing: Sparing | None = None,
) -> Found:
    """Search to the budget; the oldest candidate in flight is always answered first."""
    search, found = Search(algorithm, response.space, window=WINDOW), Found()
    waiting: list[Candidate] = []
    outcomes: list[Evaluation] = []
    dense = response(response.space.dense, latency)
    spent, timed = 0.0, 0
    while spent < budget:
        while (candidate := search.ask()) is not None:
            waiting.append(candidate)
        if not waiting:
            break
        candidate = waiting.pop(0)
        values = response(candidate.genome, latency)
        wrong, costs = round(values[0] * IMAGES), tuple(map(Estimate.exact, values[1:]))
        estimates = (error_estimate(wrong, IMAGES), *costs)
        whole = True
        if promotion and candidate.number > 0:
            rng = np.random.default_rng(candidate.genome)
            seen = int(rng.hypergeometric(wrong, IMAGES - wrong, FEWER))
            rough = (error_estimate(seen, FEWER), *costs)
            whole = promotion.promotes(candidate.number, rough, outcomes)
            estimates = estimates if whole else rough
            spent += LOOK
        foretold = sparing and spared(sparing, candidate, estimates, outcomes)
        predicted = frozenset({GOALS.quantities[1]} if foretold else ())
        estimates = (estimates[0], foretold or estimates[1], estimates[2])
        timed += not predicted
        if whole:
            spent += 1
            found.genomes.append(candidate.genome)
            found.points.append((wrong / IMAGES, *np.divide(values[1:], dense[1:]).tolist()))
            found.moments.append(spent)
            found.latencies.append(timed)
        outcomes.append(Evaluation(candidate, estimates, predicted))
        search.tell(outcomes[-1])
    return found


def spared(
    sparing: Sparing,
    candidate: Candidate,
    estimates: tuple[Estimate, ...],
    outcomes: Sequence[Evaluation],
) -> Estimate | None:
    """The latency that a candidate is predicted to have, where it is not to be measured."""
    number, name = candidate.number, GOALS.quantities[1]
    found = sparing.expected(number, candidate.genome, outcomes) if number else {}
    if name not in found:
        return None
    known = {**dict(zip(GOALS.quantities, estimates, strict=True)), **found}
    decides_nothing = sparing.spares(number, known, frozenset({name}), outcomes)
    return found[name] if decides_nothing or sparing.is_certain(found[name]) else None


@cache
def response_of(network: str, limit: int | None) -> Response:
    """Learn a network's response once a process."""
    response = Response(network, limit=limit)
    if FIRST not in response.learned:
        raise SystemExit(f"{network} has no latencies: run benchmarks/landscape.py --time")
    return response


def search_once(
    network: str, name: str, seed: int, budget: int, limit: int | None
) -> dict[str, list[float]]:
    """Run one search and return its volumes by name; HAMP's then goes on to the second device."""
    response = response_of(network, limit)
    with threadpool_limits(1):
        promotion = PROMOTION if name == RUNGS else None
        algorithm = ALGORITHMS[name](response, Start(seed))
        model = latency_model([group.width for group in response.space.groups])
        by_model = {GOALS.quantities[1]: model}
        sparing = Sparing(WITHIN, PROMOTION.least, WINDOW, GOALS, by_model)
        found = searched(
            algorithm,
            response,
            budget,
            promotion=promotion,
            sparing=sparing if name == FORETOLD else None,
        )
        volumes = {name: found.volumes(budget)}
        if name == FORETOLD:
            volumes[MEASURED] = list(map(float, found.latencies))
        if name == "hamp" and SECOND in response.learned:
            best = front(np.array(found.points))
            errors = [point[0] for point in found.points]
            known = dict(zip(found.genomes, errors, strict=True))
            warm = Start(seed, tuple(found.genomes[index] for index in best), known)
            for label, start in ((WARM, warm), (COLD, Start(seed))):
                again = searched(hamp(response, start), response, budget, latency=SECOND)
                volumes[label] = again.volumes(budget)
    return volumes


def volumes_of(
    networks: Sequence[str],
    names: Sequence[str],
    seeds: int,
    budget: int,
    limit: int | None,
    folder: Path,
    jobs: int,
) -> dict[str, dict[str, list[list[float]]]]:
    """Run everything that the folder does not hold; the volumes by network and algorithm."""
    wanted = []
    for network, seed in product(networks, range(seeds)):
        drawn = [name for name in names if seed == 0 or name not in SEEDLESS]
        wanted += [(network, name, seed) for name in drawn]
    paths = {key: folder / f"{key[0]}-{key[1]}-{key[2]}-{budget}.json" for key in wanted}
    missing = [key for key in wanted if not paths[key].exists()]
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
        running = {key: pool.submit(search_once, *key, budget, limit) for key in missing}
        for key, future in running.items():
            paths[key].write_text(json.dumps(future.result()))
            Console(stderr=True).print(*key)
    found: dict[str, dict[str, list[list[float]]]] = {}
    for key in wanted:
        for name, volumes in json.loads(paths[key].read_text()).items():
            found.setdefault(key[0], {}).setdefault(name, []).append(volumes)
    return found


def needed(volumes: Sequence[float], goal: float) -> float:
    """How many evaluations it took to reach a hypervolume; infinite where it was not reached."""
    return next((count for count, volume in enumerate(volumes, 1) if volume >= goal), np.inf)


def row_of(
    name: str, found: Mapping[str, list[list[float]]], moments: Sequence[int]
) -> dict[str, float]:
    """Means and spreads at some moments, the share of NSGA-II's budget, and HAMP's p-value."""
    ours, peers, budget = found[name], found["nsga2"], moments[-1]
    row: dict[str, float] = {}
    for moment in moments:
        values = [volumes[moment - 1] for volumes in ours]
        row[f"mean_{moment}"] = statistics.mean(values)
        row[f"spread_{moment}"] = statistics.stdev(values) if len(values) > 1 else 0.0
    own = ours * len(peers) if len(ours) == 1 else ours
    shares = [needed(volumes, peer[-1]) / budget for volumes, peer in zip(own, peers, strict=True)]
    row["share"], row["worst_share"] = statistics.median(shares), max(shares)
    if name != "hamp":
        pairs = list(zip(found["hamp"], own, strict=True))
        gains = [one[-1] - other[-1] for one, other in pairs]
        row["wins"] = sum(gain > 0 for gain in gains)
        row["p"] = float(wilcoxon(gains).pvalue) if any(gains) else 1.0
    return row


def main() -> None:
    """Search and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2 seeds of 60 evaluations, ResNet-20")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", type=Path, help="keep what was found, and go on from there")
    parser.add_argument("--jobs", type=int, default=1, help="searches at a time")
    parser.add_argument("--seeds", type=int, default=20, help="seeds of every algorithm")
    parser.add_argument("--algorithms", default=";".join(ALGORITHMS), help="which, between ;")
    options = parser.parse_args()
    networks, seeds, moments, limit = NETWORKS, options.seeds, (100, 200, 300, 500), None
    if options.quick:
        networks, seeds, moments, limit = NETWORKS[:1], 2, (40, 60), 150
    asked = {"hamp", "nsga2", *options.algorithms.split(";")}
    if unknown := asked - ALGORITHMS.keys():
        parser.error(f"--algorithms knows {'; '.join(ALGORITHMS)}, not {'; '.join(unknown)}")
    names = [name for name in ALGORITHMS if name in asked]
    with TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = volumes_of(networks, names, seeds, moments[-1], limit, folder, options.jobs)
    summary: dict[str, float] = {}
    for network, by_name in found.items():
        rows = {name: row_of(name, by_name, moments) for name in names}
        for name, row in rows.items():
            key = name.replace(", ", "_").replace(" ", "_").replace("-", "_")
            summary |= {f"{part}_{key}_{network}": value for part, value in row.items()}
        summary[f"hamp_share_of_nsga2_{network}"] = rows["hamp"]["share"]
        if MEASURED in by_name:
            summary |= latencies_measured(by_name, network)
        if WARM in by_name:
            summary |= warm_start(by_name[WARM], by_name[COLD], network)
        if not options.json:
            Console(width=140).print(table_of(network, rows, moments, seeds))
    if options.json:
        reached = {name: value for name, value in summary.items() if np.isfinite(value)}
        print(json.dumps({"summary": reached, "volumes": found}))
        return
    for name, value in summary.items():
        if name.startswith(("hamp_share", "latencies", "warm_start", "cold_start")):
            print(f"{name}: {value:.3f}")


def latencies_measured(found: Mapping[str, list[list[float]]], network: str) -> dict[str, float]:
    """How many latencies were measured, and as a share of what HAMP needs for as much."""
    counts = [counted[-1] for counted in found[MEASURED]]
    shares = [
        count / min(needed(plain, volumes[-1]), len(plain))
        for count, volumes, plain in zip(counts, found[FORETOLD], found["hamp"], strict=True)
    ]
    return {
        f"latencies_measured_{network}": statistics.median(counts),
        f"latencies_share_{network}": statistics.median(shares),
        f"latencies_worst_share_{network}": max(shares),
    }


def warm_start(warm: list[list[float]], cold: list[list[float]], network: str) -> dict[str, float]:
    """The shares of the budget to 95 % of what a cold start has at its end, warm and cold."""
    goals = [0.95 * volumes[-1] for volumes in cold]
    return {
        f"{name}_start_share_{network}": statistics.median(
            needed(volumes, goal) / len(cold[0]) for volumes, goal in zip(runs, goals, strict=True)
        )
        for name, runs in (("warm", warm), ("cold", cold))
    }


def table_of(
    network: str, rows: Mapping[str, dict[str, float]], moments: Sequence[int], seeds: int
) -> Table:
    """The comparison for people."""
    table = Table(title=f"{network}: hypervolume, mean (standard deviation) of {seeds} seeds")
    for heading in ("algorithm", *map(str, moments), "share", "HAMP wins", "p"):
        table.add_column(heading, justify="left" if heading == "algorithm" else "right")
    for name, row in rows.items():
        cells = [f"{row[f'mean_{m}']:.4f} ({row[f'spread_{m}']:.4f})" for m in moments]
        cells.append(f"{row['share']:.2f}" if np.isfinite(row["share"]) else "never")
        if "p" in row:
            cells += [f"{row['wins']:.0f} of {seeds}", f"{row['p']:.1g}"]
        table.add_row(name, *cells)
    return table


if __name__ == "__main__":
    main()
