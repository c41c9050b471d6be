"""UGS: a mask for each edge and each weight, learned beside the weights; a baseline.

Chen et al., *A Unified Lottery Ticket Hypothesis for Graph Neural Networks*, ICML 2021. Masks begin
at 1 and are drawn to 0 by their L1 norm; what has the smallest masks, at the best validation epoch,
is removed. They belong to the edges of one graph: there is nothing to apply to another.

The authors mask self-loops like edges, so that masks which fall alike change no normalised weight.
Here self-loops weigh 1, and edges are weighed by their masks over these masks' mean.
"""

import math

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .fitting import Recipe, require_finite
from .judging import loss_of, score_of
from .task import Split, Task
from .weights import Masks, apply, matrices

EDGE_DECAY, WEIGHT_DECAY = 1e-2, 1e-2
"""The weights of the masks' L1 norms, as published for Cora."""


def fit_masks(
    network: nn.Module, task: Task, split: Split, recipe: Recipe, masks: Masks, *, seed: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """Train network and masks together; return the edges' masks, (edges,), and the weights'.

    Masks that reach 0 end it: then no loss is finite any more.

    Raises:
        ValueError: there is more than one graph.
        FloatingPointError: the loss was finite after no epoch.
    """
    if not task.one_graph:
        raise ValueError(
            f"UGS learns a mask for every edge of one graph, {task.name} has "
            f"{len(task.graphs)}: leave it out of icpg.variants"
        )
    apply(masks, network)
    edges = nn.Parameter(torch.ones(task.graphs.edges.shape[1]))
    weights = {name: nn.Parameter(mask.float()) for name, mask in masks.items()}
    adam = torch.optim.Adam(
        [*network.parameters(), edges, *weights.values()],
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
    )
    best: tuple[float, Tensor, dict[str, Tensor]] | None = None

    def answers() -> Tensor:
        masked = {name: one * weights[name] for name, one in matrices(network).items()}
        seen = task.graphs.whole
        options = {"edge_weight": edges / edges.mean(), "batch": seen.graph}
        logits: Tensor = functional_call(network, masked, (seen.features, seen.edges), options)
        return logits

    labels = task.graphs.labels
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # of dropout
        for epoch in range(1, recipe.epochs + 1):
            network.train()
            loss = loss_of(answers()[split.train], labels[split.train])
            loss = loss + EDGE_DECAY * edges.abs().sum()
            loss = loss + WEIGHT_DECAY * sum(one.abs().sum() for one in weights.values())
            if best is not None and not math.isfinite(loss.item()):
                break  # the masks have reached 0
            require_finite(loss.item(), epoch)
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            apply(masks, network)
            network.eval()
            with torch.no_grad():
                logits = answers()[split.validation]
            right = score_of(logits, labels[split.validation])
            if logits.isfinite().all() and (best is None or right > best[0]):
                learned = {name: one.detach().clone() for name, one in weights.items()}
                best = right, edges.detach().abs().clone(), learned
    require_finite(math.nan if best is None else best[0], recipe.epochs)
    assert best is not None
    return best[1], best[2]
