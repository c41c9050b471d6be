"""Epochs: the loop that all training on images shares."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..data.batches import Batches, require_batches
from ..tensors.snapshot import Snapshot

MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4

Terms = Mapping[str, Tensor]
"""The weighted terms of a loss, by name: it is their sum."""

AfterEpoch = Callable[[Snapshot, dict[str, float]], None]


def _alone(network: nn.Module) -> nn.Module:
    return network


def _own(value: Tensor) -> Tensor:
    return value


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker stands among those that train one network: alone, unless told otherwise.

    `distribute` wraps the network so that gradients are averaged over the workers, `average` does
    so with a tensor.
    """

    rank: int = 0
    workers: int = 1
    device: torch.device | None = None
    distribute: Callable[[nn.Module], nn.Module] = _alone
    average: Callable[[Tensor], Tensor] = _own


ALONE = Place()


@dataclass(frozen=True)
class Exercise:
    """What is trained, and how.

    `loss` takes the network (as it was distributed), inputs and labels; `advance` is told the share
    of all steps that are done before each of them. The learning rates that the optimisers come with
    fall to 0 along a half cosine.
    """

    network: nn.Module
    optimisers: Sequence[torch.optim.Optimizer]
    loss: Callable[[nn.Module, Tensor, Tensor], Terms]
    advance: Callable[[float], None] = lambda _: None


def sgd(parameters: Sequence[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    """The optimiser of networks' weights: Nesterov's momentum, and weight decay."""
    return torch.optim.SGD(
        parameters,
        lr=learning_rate,
        momentum=MOMENTUM,
        nesterov=True,
        weight_decay=WEIGHT_DECAY,
    )


def train_epochs(
    exercise: Exercise,
    batches: Batches,
    epochs: int,
    *,
    place: Place = ALONE,
    snapshot: Snapshot | None = None,
    after_epoch: AfterEpoch = lambda _snapshot, _terms: None,
) -> None:
    """Train in place, from a snapshot of the same exercise if there is one.

    After each epoch `after_epoch` is told where training stands, and the mean of each term.

    Raises:
        ValueError: there are fewer images than one batch takes, or fewer than workers in it.
        FloatingPointError: a term is no longer finite; what `after_epoch` was told last is sound.
    """
    require_batches(len(batches.images), batches.size, place.workers)
    exercise.network.to(place.device)
    if snapshot:
        snapshot.restore(exercise.network, exercise.optimisers)
    rates = [[group["lr"] for group in one.param_groups] for one in exercise.optimisers]
    trained = place.distribute(exercise.network)
    for epoch in range(snapshot.epoch if snapshot else 0, epochs):
        trained.train()
        totals: dict[str, Tensor] = {}
        own_part = batches.epoch(epoch, rank=place.rank, workers=place.workers)
        for step, (inputs, labels) in enumerate(own_part):
            progress = (epoch * len(batches) + step) / (epochs * len(batches))
            _set_rates(exercise.optimisers, rates, 0.5 * (1 + math.cos(math.pi * progress)))
            exercise.advance(progress)
            for optimiser in exercise.optimisers:
                optimiser.zero_grad()
            terms = exercise.loss(trained, inputs.to(place.device), labels.to(place.device))
            torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
            for optimiser in exercise.optimisers:
                optimiser.step()
            for name, term in terms.items():
                totals[name] = totals.get(name, 0) + term.detach()
        means = {name: float(place.average(t)) / len(batches) for name, t in totals.items()}
        _require_finite(means, epoch)
        after_epoch(Snapshot.of(epoch + 1, exercise.network, exercise.optimisers), means)
    exercise.network.eval()


def _set_rates(
    optimisers: Sequence[torch.optim.Optimizer], rates: Sequence[Sequence[float]], factor: float
) -> None:
    for optimiser, own in zip(optimisers, rates, strict=True):
        for group, rate in zip(optimiser.param_groups, own, strict=True):
            group["lr"] = rate * factor


def _require_finite(means: Mapping[str, float], epoch: int) -> None:
    """Name the terms that went wrong; the first that did takes the others with it."""
    if broken := [name for name, mean in means.items() if not math.isfinite(mean)]:
        raise FloatingPointError(
            f"in epoch {epoch + 1} {', '.join(broken)} of the loss "
            f"{'is' if len(broken) == 1 else 'are'} not finite: choose a smaller learning rate"
        )
