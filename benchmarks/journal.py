"""What does remembering cost? A journal is written, and a long run is brought back from it.

    python benchmarks/journal.py [--quick] [--json]

An evaluation is a candidate and its two answers, in a journal that is a file: `write_ms` is what
they take together, beside what one synchronisation of the disk takes here. Then a run of 10,000
evaluations of a space like ResNet-56's is replayed as a resume does it, HAMP included.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from secateur.actors.dispatcher import Dispatcher
from secateur.actors.fleet import LocalFleet
from secateur.actors.job import Answer, Quantity
from secateur.cluster.runs.coordinator import Coordinator
from secateur.cluster.runs.itinerary import Itinerary
from secateur.cluster.storage.journal import Journal
from secateur.methods.pruning.cost import Cost
from secateur.search.algorithm import Search
from secateur.search.candidate import Candidate, Estimate
from secateur.search.goals import Goals
from secateur.search.hamp import HAMP
from secateur.search.objective import Objective
from secateur.search.space import Genome, LayerGroup, Space
from secateur.surrogates.latency_model import latency_model

GROUPS = 27
SPACE = Space(tuple(LayerGroup(f"layer{index}", 64, 1, 1) for index in range(GROUPS)))
GOALS = Goals((Objective("error", False), Objective("latency_ms", True)))


def write(journal: Journal, evaluations: int) -> float:
    """Write so many evaluations and return the seconds that it took."""
    rng = np.random.default_rng(0)
    genomes = [SPACE.dense, *(SPACE.random(rng) for _ in range(evaluations - 1))]
    begun = time.perf_counter()
    for number, genome in enumerate(genomes):
        origin = "variation" if number else "dense"
        journal.asked(Candidate(number, genome, origin), Cost(number, number, number))
        for quantity, value in measured(genome).items():
            journal.answered(Answer(number, quantity, Estimate.exact(value), "somebody", 0.1))
    return time.perf_counter() - begun


def measured(genome: Genome) -> dict[Quantity, float]:
    """An error that rises as the latency falls, each layer in its own way."""
    kept = np.array(genome) / 64
    weights = np.linspace(1, 3, GROUPS)
    error = float(0.08 + 0.8 * np.average((1 - kept) ** 3, weights=weights))
    return {"latency_ms": float(1 + 9 * kept.mean()), "error": error}


def replay(journal: Journal, evaluations: int) -> float:
    """Bring the run back, to its last evaluation, and return the seconds that it took."""
    surrogates = [latency_model(SPACE.dense)] * 2
    search = Search(HAMP(SPACE, GOALS, surrogates, seed=0), SPACE, window=8)
    begun = time.perf_counter()
    Coordinator(
        search,
        journal,
        Dispatcher(LocalFleet({}), lease_seconds=1.0),
        Itinerary(GOALS.quantities),
        cost=lambda _: Cost(0, 0, 0),
        budget=evaluations,
    ).run()
    if search.committed != evaluations:
        raise RuntimeError(f"expected {evaluations} outcomes, got {search.committed}")
    return time.perf_counter() - begun


def synchronisation(folder: Path, times: int = 50) -> float:
    """Return the seconds that it takes to have a few bytes on the disk for sure."""
    with (folder / "synchronised").open("wb") as file:
        begun = time.perf_counter()
        for _ in range(times):
            file.write(b"0" * 400)
            file.flush()
            os.fdatasync(file.fileno())
        return (time.perf_counter() - begun) / times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="1,000 evaluations")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    options = parser.parse_args()
    evaluations = 1_000 if options.quick else 10_000
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        journal = Journal.create(folder, {})
        with journal.held():
            journal.sit_down()
            written = write(journal, evaluations)
        synced = synchronisation(folder)
        size = (folder / "journal.db").stat().st_size
        replayed = replay(Journal.open(folder), evaluations)
    summary = {
        "evaluations": evaluations,
        "write_ms": 1000 * written / evaluations,
        "synchronisation_ms": 1000 * synced,
        "replay_s": replayed,
        "megabytes": size / 1e6,
    }
    if options.json:
        print(json.dumps({"summary": summary}))
        return
    table = Table(title=f"A journal of {evaluations:,} evaluations")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_row("write an evaluation", f"{summary['write_ms']:.2f} ms")
    table.add_row("synchronise the disk once", f"{summary['synchronisation_ms']:.2f} ms")
    table.add_row("replay them all", f"{summary['replay_s']:.1f} s")
    table.add_row("size", f"{summary['megabytes']:.1f} MB")
    Console().print(table)


if __name__ == "__main__":
    main()
