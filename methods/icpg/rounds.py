"""Rounds: masks learned, edges and weights removed, the rest trained from its first weights.

After round k a share 1 - (1 - edges)^k of the edges and 1 - (1 - weights)^k of the weights is gone.
Each round begins with the network's and the masker's *first* weights (rewinding). In a round, a
soft stage trains network and masker together, edges and weights are removed, and a ticket stage
trains what is left, without a masker: its score is the round's.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from .edges import EdgePruner, Pairing, Rule, steady
from .fitting import EVALUATED, Fitted, Recipe, fit
from .masker import Masker
from .task import Split, Task
from .ugs import fit_masks
from .weights import Masks, matrices, prune, sparsity, whole

Variant = Literal["icpg", "random", "weights", "edges", "ugs"]
"""What is removed: by the masker and by magnitude; at random; weights alone; edges alone, by the
masker; or by masks learned for each edge and weight (UGS), which fit one graph alone."""

VARIANTS: tuple[Variant, ...] = ("icpg", "random", "weights", "edges", "ugs")


Made = TypeVar("Made", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Plan:
    """What each round removes, and how."""

    edges: float
    weights: float
    rule: Rule
    pairing: Pairing


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left after a round, 0 before the first: of the weights, and of all edges."""

    round: int
    masks: Masks
    edges: Tensor  # of bool, shape (edges,)

    @property
    def edges_gone(self) -> float:
        """The share of the edges that is gone."""
        return 1 - float(self.edges.float().mean()) if len(self.edges) else 0.0

    @property
    def weights_gone(self) -> float:
        """The share of the weights that is gone."""
        return sparsity(self.masks)


@dataclass(frozen=True)
class Lottery:
    """One split, one seed, one way to choose: draws a ticket each round."""

    task: Task
    split: Split
    network: Callable[[], nn.Module]
    masker: Callable[[], Masker]
    soft: Recipe
    ticket: Recipe
    plan: Plan
    variant: Variant
    seed: int
    _pruner: EdgePruner = field(init=False)

    def __post_init__(self) -> None:
        plan = self.plan
        pruner = EdgePruner(
            self.task.graphs, share=plan.edges, rule=plan.rule, pairing=plan.pairing
        )
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
        """Run a round's soft stage, and remove; return what is left, and the masker, if any."""
        number, variant = kept.round + 1, self.variant
        if variant == "random":
            return self._at_random(kept), None
        network, seed = self.fresh(self.network), self._seed(number, "soft")
        task = self.task.without_edges(kept.edges)
        masker = self.fresh(self.masker) if variant in ("icpg", "edges") else None
        scores: Tensor | None = None
        magnitudes: dict[str, Tensor] = {}
        if variant == "ugs":
            scores, magnitudes = fit_masks(
                network, task, self.split, self.soft, kept.masks, seed=seed
            )
        else:
            fit(network, task, self.split, self.soft, kept.masks, seed=seed, masker=masker)
            magnitudes = {name: one.detach() for name, one in matrices(network).items()}
            scores = None if masker is None else scored(masker, task)
        masks, edges = kept.masks, kept.edges
        if variant != "edges":
            masks = prune(masks, magnitudes, share=self.plan.weights, round_=number)
        if scores is not None:
            edges = self._pruner.prune(edges, scores, number)
        return Kept(number, masks, edges), masker

    def play(self, kept: Kept) -> tuple[Fitted, nn.Module]:
        """Train what is left from its first weights; before the first round the dense network."""
        network = self.fresh(self.network)
        task = self.task.without_edges(kept.edges)
        seed = self._seed(kept.round, "ticket")
        return fit(network, task, self.split, self.ticket, kept.masks, seed=seed), network

    def _at_random(self, kept: Kept) -> Kept:
        number = kept.round + 1
        draws = torch.Generator().manual_seed(self._seed(number, "random"))
        magnitudes = {
            name: torch.rand(mask.shape, generator=draws) for name, mask in kept.masks.items()
        }
        scores = torch.rand(int(kept.edges.sum()), generator=draws)
        return Kept(
            number,
            prune(kept.masks, magnitudes, share=self.plan.weights, round_=number),
            self._pruner.prune(kept.edges, scores, number),
        )

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
