"""Ticket: a graph network that is smaller, and what makes graphs smaller for it.

A folder with safetensors and JSON that needs nothing else. There are no masks in it: edges are
removed by a transform, dead units are cut off, and further weights are plain zeros.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from ..models.exported import (
    TICKET,
    WEIGHTS,
    build,
    read_card,
    read_state,
    rebuild,
    tensors,
    write_folder,
)
from ..tensors.weights import State, below, state_of
from .compaction import Layered, compacted
from .edges import EdgePruner, steady
from .features import Features
from .graphs import Graphs
from .masker import Masker
from .rounds import Kept, Plan, Step

MASKERS = "maskers.safetensors"


class Ticket(NamedTuple):
    """What `secateur.load` gives of a ticket: the network, and the transform of its graphs."""

    network: nn.Module
    transform: "Thinned"


class Thinned(BaseTransform):  # type: ignore[misc]
    """Takes a published graph and returns what a ticket's network sees, with fewer edges.

    A transform of PyTorch Geometric, for data sets and loaders: features are made as for training,
    the masker of each round removes its share of the edges, and inputs that nobody reads are left
    out.
    """

    def __init__(
        self, maskers: Mapping[int, Masker], plan: Plan, seen: Features, ins: int, inputs: Tensor
    ) -> None:
        """`maskers` by round, those that have one; `ins` features are expected, `inputs` read."""
        self.maskers, self.plan, self.seen = maskers, plan, seen
        self.ins, self.inputs = ins, inputs

    def forward(self, data: Data) -> Data:
        """Return a graph with x of shape (nodes, inputs), fewer edges, and no edge attributes."""
        edges = data.edge_index[:, data.edge_index[0] != data.edge_index[1]]
        seen = self.seen(data.x, edges, data.num_nodes)
        if (got := seen.shape[1]) != self.ins:
            raise ValueError(
                f"the ticket's graphs have {self.ins} features, this one has {got}: it is of "
                "another data set"
            )
        graphs = Graphs(
            seen,
            edges,
            torch.tensor([0, data.num_nodes]),
            torch.tensor([0, edges.shape[1]]),
            torch.zeros(1, dtype=torch.int64),
        )
        left = edges[:, thinned(graphs, self.maskers, self.plan)]
        thin = data.clone()
        for key in ("edge_attr", "edge_weight"):
            if key in thin:
                del thin[key]
        thin.x, thin.edge_index = seen[:, self.inputs], left
        return thin


def thinned(
    graphs: Graphs, maskers: Mapping[int, Masker], plan: Plan, *, kept: Tensor | None = None
) -> Tensor:
    """Return which edges are left, (edges,), after each round's masker has removed its share.

    The first of them looks at the edges `kept`, of the same shape; without it at all.
    """
    pruner = EdgePruner(graphs, rule=plan.rule, pairing=plan.pairing)
    if kept is None:
        kept = torch.ones(graphs.edges.shape[1], dtype=torch.bool)
    for number, masker in sorted(maskers.items()):
        with torch.no_grad():
            scores = steady(masker.eval().logits(graphs.features, graphs.edges[:, kept]))
        removed = plan.steps[number - 1].edges
        kept = pruner.prune(kept, scores, removed=removed, left=plan.edges_left(number))
    return kept


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a ticket is made of: the network as trained, what it keeps, and each round's masker."""

    factory: str
    arguments: dict[str, Any]
    state: State
    kept: Kept
    maskers: Mapping[int, State]  # by round
    masker_arguments: dict[str, Any]
    plan: Plan
    seen: Features


def small(drawing: Drawing) -> tuple[nn.Module, Tensor]:
    """Return the network without dead units, and the numbers of the inputs that it reads.

    A network that does not tell its units (`compaction.py`) stays as it is.
    """
    dense = build(drawing.factory, drawing.arguments)
    state, inputs = drawing.state, torch.arange(drawing.masker_arguments["ins"])
    if isinstance(dense, Layered):
        state, inputs = compacted(dense, state)
    return rebuild(drawing.factory, drawing.arguments, state, source=Path(drawing.factory)), inputs


def built_maskers(drawing: Drawing) -> dict[int, Masker]:
    """Return the masker of each round that has one."""
    maskers = {}
    for number, state in drawing.maskers.items():
        masker = Masker(**drawing.masker_arguments)
        masker.load_state_dict(state)
        maskers[number] = masker.eval()
    return maskers


def save(directory: Path, drawing: Drawing, found: Mapping[str, Any]) -> None:
    """Write a ticket; `found` goes into its card as well."""
    network, inputs = small(drawing)
    maskers = {
        f"{number}.{name}": tensor
        for number, state in drawing.maskers.items()
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }
    card = {
        TICKET: {
            "round": drawing.kept.round,
            "edges_gone": drawing.kept.edges_gone,
            "weights_gone": drawing.kept.weights_gone,
            "plan": asdict(drawing.plan),
            "maskers": sorted(drawing.maskers),
            "features": asdict(drawing.seen),
            "inputs": inputs.tolist(),
            "masker": drawing.masker_arguments,
        },
        "factory": drawing.factory,
        "arguments": drawing.arguments,
        "params": sum(tensor.numel() for tensor in state_of(network).values()),
        "dense_params": sum(tensor.numel() for tensor in drawing.state.values()),
        **found,
    }
    files = {WEIGHTS: tensors(state_of(network)), MASKERS: tensors(maskers)}
    write_folder(directory, files, card)


def load(directory: Path) -> Ticket:
    """Rebuild a ticket in evaluation mode; a ValueError says what is wrong with the folder."""
    card = read_card(directory)
    about = card[TICKET]
    state = read_state(directory / WEIGHTS)
    network = rebuild(card["factory"], card["arguments"], state, source=directory / WEIGHTS)
    held = read_state(directory / MASKERS)
    maskers = {}
    for number in about["maskers"]:
        masker = Masker(**about["masker"])
        masker.load_state_dict(below(f"{number}.", held), strict=False)
        maskers[number] = masker.eval()
    plan = about["plan"]
    steps = tuple(Step(**step) for step in plan["steps"])
    transform = Thinned(
        maskers,
        Plan(steps, plan["rule"], plan["pairing"]),
        Features(**about["features"]),
        about["masker"]["ins"],
        torch.tensor(about["inputs"]),
    )
    return Ticket(network, transform)
