"""Rounds: masks learned, edges and weights removed, the rest trained from its first weights.

Each round begins with the network's and the masker's *first* weights (rewinding). In a round, a
soft stage trains network and masker together, edges and weights are removed, and a ticket stage
trains what is left, without a masker: its score is the round's. Where round after round removes the
same shares, (1 - edges)^k and (1 - weights)^k are left after round k.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from .edges import EdgePruner, Pairing, Rule, steady
from .fitting import Fitted, Recipe, fit
from .judging import EVALUATED
from .masker import Masker
from .task import Split, Task
from .ugs import fit_masks
from .weights import Masks, matrices, prune, sparsity, whole

Chooser = Literal["masker", "chance", "ugs"]
"""Who chooses: edges the masker and weights their magnitude; chance; or masks learned for each edge
and weight (UGS), which fit one graph alone."""

Made = TypeVar("Made", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Step:
    """What one round removes: shares of the edges and of the weights that the last one has left."""

    edges: float
    weights: float
    chooser: Chooser = "masker"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the rounds remove, one step each, and how edges are counted."""

    steps: tuple[Step, ...]
    rule: Rule
    pairing: Pairing

    def edges_left(self, round_: int) -> float:
        """The share of all edges that is left after a round, nominally."""
        return math.prod(1 - step.edges for step in self.steps[:round_])

    def weights_left(self, round_: int) -> float:
        """The share of all weights that is left after a round, nominally."""
        return math.prod(1 - step.weights for step in self.steps[:round_])


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left after a round, 0 before the first: of the weights, and of all edges."""

    round: int
    masks: Masks
    edges: Tensor  # of bool, shape (edges,)

    @property
    def edges_gone(self) -> float:
        """The share of the edges that is gone."""
        return 1 - int(self.edges.sum()) / len(self.edges) if len(self.edges) else 0.0

    @property
    def weights_gone(self) -> float:
        """The share of the weights that is gone."""
        return sparsity(self.masks)


@dataclass(frozen=True)
class Lottery:
    """One split, one seed, one plan: draws a ticket each round."""

    task: Task
    split: Split
    network: Callable[[], nn.Module]
    masker: Callable[[], Masker]
    soft: Recipe
    ticket: Recipe
    plan: Plan
    seed: int
    _pruner: EdgePruner = field(init=False)

    def __post_init__(self) -> None:
        plan = self.plan
        pruner = EdgePruner(self.task.graphs, rule=plan.rule, pairing=plan.pairing)
        object.__setattr__(self, "_pruner", pruner)

    def begin(self) -> Kept:
        """Everything is kept."""
        edges = torch.ones(self.task.graphs.edges.shape[1], dtype=torch.bool)
        return Kept(0, whole(self.fresh(self.network)), edges)

    def fresh(self, make: Callable[[], Made]) -> Made:
        """Make a module with its first weights, the same every time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return make()

    def draw(self, kept: Kept) -> tuple[Kept, Masker | None]:
        """Run the next round's soft stage, and remove; return what is left, and the masker if any.

        There is none where no edges are removed, or others choose. Where nothing is to be removed,
        nothing is trained.
        """
        step, seed = self.plan.steps[kept.round], self._seed(kept.round + 1, "soft")
        masker: Masker | None = None
        if not step.edges and not step.weights:
            return Kept(kept.round + 1, kept.masks, kept.edges), None
        if step.chooser == "chance":
            scores, magnitudes = self._by_chance(kept)
        else:
            network, task = self.fresh(self.network), self.task.without_edges(kept.edges)
            if step.chooser == "ugs":
                scores, magnitudes = fit_masks(
                    network, task, self.split, self.soft, kept.masks, seed=seed
                )
            else:
                masker = self.fresh(self.masker) if step.edges else None
                fit(network, task, self.split, self.soft, kept.masks, seed=seed, masker=masker)
                magnitudes = {name: one.detach() for name, one in matrices(network).items()}
                scores = scored(masker, task) if masker else torch.empty(0)
        return self._without(kept, step, scores, magnitudes), masker

    def play(self, kept: Kept) -> tuple[Fitted, nn.Module]:
        """Train what is left from its first weights; before the first round the dense network."""
        network = self.fresh(self.network)
        task = self.task.without_edges(kept.edges)
        seed = self._seed(kept.round, "ticket")
        return fit(network, task, self.split, self.ticket, kept.masks, seed=seed), network

    def _without(
        self, kept: Kept, step: Step, scores: Tensor, magnitudes: dict[str, Tensor]
    ) -> Kept:
        """What is kept once a step has removed its shares."""
        number, masks, edges = kept.round + 1, kept.masks, kept.edges
        if step.weights:
            masks = prune(masks, magnitudes, left=self.plan.weights_left(number))
        if step.edges:
            left = self.plan.edges_left(number)
            edges = self._pruner.prune(edges, scores, removed=step.edges, left=left)
        return Kept(number, masks, edges)

    def _by_chance(self, kept: Kept) -> tuple[Tensor, dict[str, Tensor]]:
        """Scores and magnitudes that mean nothing."""
        draws = torch.Generator().manual_seed(self._seed(kept.round + 1, "random"))
        magnitudes = {
            name: torch.rand(mask.shape, generator=draws)
            for name, mask in sorted(kept.masks.items())  # whatever order they were read in
        }
        return torch.rand(int(kept.edges.sum()), generator=draws), magnitudes

    def _seed(self, round_: int, purpose: str) -> int:
        """A number for every stage, the same every time."""
        place = ("soft", "ticket", "random").index(purpose)
        return (self.seed * 1009 + round_) * 3 + place


def scored(masker: Masker, task: Task) -> Tensor:
    """Return the masker's logit of every edge of a task's graphs, shape (edges,)."""
    masker.eval()
    numbers = torch.arange(len(task.graphs))
    with torch.no_grad():
        parts = [
            masker.logits(batch.features, batch.edges)
            for batch in (task.graphs.batch(one) for one in torch.split(numbers, EVALUATED))
        ]
    return steady(torch.cat(parts))
