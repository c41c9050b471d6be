"""How fast is a round of the graph lottery, beside a loop over graphs, and how much does it hold?

    python benchmarks/icpg.py [--quick] [--json] [--data-root DATA]

`ours` keeps all graphs end to end: batches are gathered, scores sorted and edges dropped for all of
them at once, and neighbours are summed by sparse products. `loop` does the same round as a first
draft would: a list of PyTorch Geometric's graphs, its loader, its layers, which send a message
along every edge, and for every graph a sorted list of scores; `loop_our_layers` is that with our
layers. All have one thread and the same sizes; a round is a soft stage, the removal of edges and
weights, and a ticket stage. Memory is the peak of a process that does one round on a large set
alone, COLLAB or REDDIT-BINARY. `--quick` makes graphs of its own and leaves these out.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GCNConv

from secateur.methods.icpg.edges import EdgePruner
from secateur.methods.icpg.fitting import Recipe
from secateur.methods.icpg.graphs import ends
from secateur.methods.icpg.masker import Masker
from secateur.methods.icpg.networks import GraphClassifier, NodeClassifier, Stack
from secateur.methods.icpg.rounds import Lottery, Plan, Step, scored
from secateur.methods.icpg.sources import graph_task, load_task
from secateur.methods.icpg.task import Task
from secateur.methods.icpg.weights import apply, matrices, prune, whole
from secateur.methods.tensors.batch_norm import batch_norms, estimated_anew

warnings.filterwarnings("ignore", message=".*torch.jit.script", category=FutureWarning)

EPOCHS, BATCH = 2, 128
SHARE = 0.05
REPEATS = 3
LARGE = ("COLLAB", "REDDIT-BINARY")


def made_up(count: int = 600) -> Task:
    """Random graphs of 20 to 40 nodes, to be told apart by how many edges they have."""
    draws = torch.Generator().manual_seed(0)
    sizes = torch.randint(20, 41, (count,), generator=draws)
    labels = torch.arange(count) % 2
    parts = []
    for size, label in zip(sizes.tolist(), labels.tolist(), strict=True):
        pairs = torch.randint(0, size, (2, size * (1 + label)), generator=draws)
        parts.append(torch.cat([pairs, pairs.flip(0)], dim=1))
    shifted = [part + shift for part, shift in zip(parts, ends(sizes)[:-1], strict=True)]
    return graph_task("random", None, torch.cat(shifted, dim=1), sizes, labels)


def lottery(task: Task, *, epochs: int, hidden: int | None = None) -> Lottery:
    """The lottery that is timed, with the authors' sizes."""
    ins, nodes = task.graphs.features.shape[1], task.level == "node"
    hidden = hidden or (512 if nodes else 128)
    network: Callable[[], nn.Module] = (
        partial(NodeClassifier, ins, task.classes, hidden=hidden)
        if nodes
        else partial(GraphClassifier, ins, task.classes, hidden=hidden)
    )
    masker = partial(
        Masker, ins, kind="gcn", hidden=512 if nodes else 64, layers=2 if nodes else 3, heads=1,
        reading="concat", plain=nodes,
    )  # fmt: skip
    recipe = Recipe(epochs, BATCH, 1e-3, 1e-4, 0.0)
    split = task.splits(10, seed=0, selection="honest")[0]
    plan = Plan((Step(SHARE, 0.2),), "nominal", "directed")
    return Lottery(task, split, network, masker, recipe, recipe, plan, seed=0)


def round_of(one: Lottery) -> None:
    """Draw and play one round."""
    kept, _ = one.draw(one.begin())
    one.play(kept)


def listed(task: Task) -> list[Data]:
    """The graphs as PyTorch Geometric has them, one by one."""
    found = []
    for number in range(len(task.graphs)):
        batch = task.graphs.batch(torch.tensor([number]))
        found.append(Data(x=batch.features, edge_index=batch.edges, y=batch.labels))
    return found


class Messages(Stack):
    """A stack of PyTorch Geometric's own layers."""

    def __init__(self, like: Stack) -> None:
        hidden, ins = like.linear.weight.shape
        super().__init__(ins, hidden, 0, "gcn", 1)
        self.norms = like.norms
        self.layers = nn.ModuleList(GCNConv(hidden, hidden) for _ in like.layers)

    def forward(self, x: Tensor, edges: Tensor, weights: Tensor | None) -> Tensor:
        """Return (nodes, hidden) for (nodes, ins)."""
        x = self.linear(self.norm(x))
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = nn.functional.relu(layer(norm(x), edges, weights))
        return x


Module = TypeVar("Module", GraphClassifier, Masker)


def as_drafted(module: Module) -> Module:
    """Give a network or a masker the layers of PyTorch Geometric."""
    module.nodes = Messages(module.nodes)
    return module


def as_it_is(module: Module) -> Module:
    """Leave a network or a masker its layers."""
    return module


def loop_round(one: Lottery, graphs: list[Data], layers: Callable[[Any], Any]) -> None:
    """The same round over a list of graphs."""
    network, masker = layers(one.fresh(one.network)), layers(one.fresh(one.masker))
    masks = whole(network)
    loop_fit(one, graphs, network, masker)
    magnitudes = {name: weight.detach() for name, weight in matrices(network).items()}
    masks = prune(masks, magnitudes, left=0.8)
    graphs = [loop_prune(graph, masker) for graph in graphs]
    network = layers(one.fresh(one.network))
    apply(masks, network)
    loop_fit(one, graphs, network, None)


def loop_fit(one: Lottery, graphs: list[Data], network: nn.Module, masker: Masker | None) -> None:
    """Train with the loader, and look at all parts after each epoch, as BatchNorms need it."""
    parts = {
        part: DataLoader(
            [graphs[number] for number in one.split.of(part).tolist()],
            BATCH,
            shuffle=part == "train",
        )
        for part in ("train", "validation", "test")
    }
    modules = [network] if masker is None else [network, masker]
    adam = torch.optim.Adam([p for module in modules for p in module.parameters()], lr=1e-3)

    def logits(batch: Data) -> Tensor:
        scores = None if masker is None else masker(batch.x, batch.edge_index)
        found: Tensor = network(batch.x, batch.edge_index, scores, batch.batch)
        return found

    for _ in range(one.soft.epochs):
        for module in modules:
            module.train()
        for batch in parts["train"]:
            adam.zero_grad()
            nn.functional.cross_entropy(logits(batch), batch.y).backward()
            adam.step()
        for module in modules:
            module.eval()
        with torch.no_grad():
            with estimated_anew(batch_norms(*modules)):
                for batch in parts["train"]:
                    logits(batch)
            for part in ("validation", "test"):
                for batch in parts[part]:
                    logits(batch).argmax(dim=1)


def loop_prune(graph: Data, masker: Masker) -> Data:
    """Score one graph's edges, sort them in a list, and drop the last."""
    with torch.no_grad():
        scores = masker(graph.x, graph.edge_index).tolist()
    pairs = graph.edge_index.t().tolist()
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    kept = sorted(order[: round(len(scores) * (1 - SHARE))])
    edges = torch.tensor([pairs[place] for place in kept], dtype=torch.int64).reshape(-1, 2).t()
    return Data(x=graph.x, edge_index=edges.contiguous(), y=graph.y)


def timed(action: Callable[[], object]) -> float:
    """The least seconds of CPU of a few calls."""
    best = float("inf")
    for _ in range(REPEATS):
        began = time.process_time()
        action()
        best = min(best, time.process_time() - began)
    return best


def beside_loop(task: Task, name: str) -> dict[str, float]:
    """A round, and the removal of edges alone, ours and the loop's."""
    one, graphs = lottery(task, epochs=EPOCHS), listed(task)
    masker = one.fresh(one.masker).eval()
    everything = torch.ones(task.graphs.edges.shape[1], dtype=torch.bool)
    pruner = EdgePruner(task.graphs, rule="nominal", pairing="directed")

    def removal() -> None:
        pruner.prune(everything, scored(masker, task), removed=SHARE, left=1 - SHARE)

    drafted = as_drafted(one.fresh(one.masker)).eval()
    times = {
        "ours_round_s": timed(lambda: round_of(one)),
        "loop_round_s": timed(lambda: loop_round(one, graphs, as_drafted)),
        "loop_our_layers_round_s": timed(lambda: loop_round(one, graphs, as_it_is)),
        "ours_removal_s": timed(removal),
        "loop_removal_s": timed(lambda: [loop_prune(graph, drafted) for graph in graphs]),
    }
    found = {f"{what}_{name}": seconds for what, seconds in times.items()}
    found[f"loop_over_ours_{name}"] = times["loop_round_s"] / times["ours_round_s"]
    ours_in_loop = times["loop_our_layers_round_s"] / times["ours_round_s"]
    found[f"loop_our_layers_over_ours_{name}"] = ours_in_loop
    found[f"loop_over_ours_removal_{name}"] = times["loop_removal_s"] / times["ours_removal_s"]
    return found


def alone(name: str, root: Path) -> dict[str, float]:
    """One round on a data set: its seconds, and the most memory that its process held."""
    task = load_task(name, root)
    began = time.process_time()
    round_of(lottery(task, epochs=1))
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return {f"round_s_{_short(name)}": seconds, f"peak_gib_{_short(name)}": peak}


def _short(name: str) -> str:
    return name.partition("-")[0].lower()


def measured(options: argparse.Namespace) -> dict[str, float]:
    """Everything that is told."""
    if options.quick:
        return beside_loop(made_up(), "random")
    found = beside_loop(load_task("NCI1", options.data_root), "nci1")
    cora = lottery(load_task("Cora", options.data_root), epochs=10)
    found["round_s_cora"] = timed(lambda: round_of(cora))
    for name in LARGE:
        asked = [sys.executable, __file__, "--alone", name, "--data-root", str(options.data_root)]
        found |= json.loads(subprocess.run(asked, check=True, stdout=subprocess.PIPE).stdout)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="graphs of its own")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--data-root", type=Path, help="folder with graph data sets")
    parser.add_argument("--alone", choices=LARGE, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.alone:
        print(json.dumps(alone(options.alone, options.data_root)))
        return
    summary = measured(options)
    if options.json:
        print(json.dumps({"summary": summary}))
        return
    table = Table(
        title=f"A round of {EPOCHS} + {EPOCHS} epochs (Cora: 10 + 10, large sets: 1 + 1), one core"
    )
    for heading in ("quantity", "value"):
        table.add_column(heading, justify="left" if heading == "quantity" else "right")
    for name, value in summary.items():
        table.add_row(name, f"{value:.3f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
