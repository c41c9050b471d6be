"""Fine-tuning: a cut network trained further, taught by the dense one.

Distillation after Hinton, Vinyals and Dean 2015 (arXiv:1503.02531): the student learns the
teacher's softened answers beside the labels. Every draw depends on the seed, the epoch and the step
alone, so that training goes on from a snapshot as if it had never stopped.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from .accuracy import Normalisation
from .datasets import Images
from .weights import State, read_weights

MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained further.

    `distillation` is the teacher's share of the loss (0: labels alone), `temperature` what its
    logits are divided by. The learning rate falls to 0 along a half cosine. Images are shifted by
    up to an eighth of their size, and with `mirror` flipped half of the time.
    """

    epochs: int
    learning_rate: float
    batch: int
    distillation: float
    temperature: float
    mirror: bool
    seed: int


@dataclass(frozen=True)
class Snapshot:
    """What training goes on from: the finished epochs, the weights, and SGD's momentum."""

    epoch: int
    weights: State
    momentum: State

    TENSORS, FACTS = "snapshot.safetensors", "snapshot.json"

    def save(self, directory: Path) -> None:
        """Write the two files into a folder."""
        tensors = {f"weights.{name}": tensor for name, tensor in self.weights.items()}
        tensors |= {f"momentum.{name}": tensor for name, tensor in self.momentum.items()}
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
            directory / self.TENSORS,
        )
        (directory / self.FACTS).write_text(json.dumps({"epoch": self.epoch}))

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` has written."""
        tensors = read_weights(directory / cls.TENSORS)
        parts: dict[str, State] = {"weights": {}, "momentum": {}}
        for key, tensor in tensors.items():
            part, _, name = key.partition(".")
            parts[part][name] = tensor
        epoch = json.loads((directory / cls.FACTS).read_text())["epoch"]
        return cls(epoch, parts["weights"], parts["momentum"])


def finetune(
    student: nn.Module,
    teacher: nn.Module,
    images: Images,
    normalisation: Normalisation,
    recipe: Recipe,
    *,
    snapshot: Snapshot | None = None,
    after_epoch: Callable[[Snapshot, float], None] = lambda _snapshot, _loss: None,
    distribute: Callable[[nn.Module], nn.Module] = lambda network: network,
    rank: int = 0,
    workers: int = 1,
    device: torch.device | None = None,
) -> nn.Module:
    """Train the student in place, from a snapshot of the same recipe if there is one.

    After each epoch `after_epoch` is told where training stands and the epoch's mean loss. Of
    several `workers` each trains on its part of every batch, its network wrapped by `distribute`.

    Raises:
        ValueError: there are fewer images than one batch takes.
        FloatingPointError: the loss is no longer finite.
    """
    require_batches(recipe, len(images), workers)
    steps = len(images) // recipe.batch
    if snapshot:
        student.load_state_dict(snapshot.weights)
    student.to(device)
    teacher.to(device).eval()
    optimiser = torch.optim.SGD(
        student.parameters(),
        lr=recipe.learning_rate,
        momentum=MOMENTUM,
        nesterov=True,
        weight_decay=WEIGHT_DECAY,
    )
    if snapshot:
        _restore(optimiser, student, snapshot.momentum)
    trained = distribute(student)
    done = snapshot.epoch if snapshot else 0
    for epoch in range(done, recipe.epochs):
        trained.train()
        total = torch.zeros((), device=device)
        batches = _batches(images, normalisation, recipe, epoch, rank, workers)
        for step, (inputs, labels) in enumerate(batches):
            progress = (epoch * steps + step) / (recipe.epochs * steps)
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
            optimiser.zero_grad()
            loss = _loss(trained, teacher, inputs.to(device), labels.to(device), recipe)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += loss.detach()
        mean = float(total) / steps
        if not math.isfinite(mean):
            raise FloatingPointError(
                f"the loss of epoch {epoch + 1} is {mean}: choose a smaller "
                f"finetune.learning_rate than {recipe.learning_rate}"
            )
        after_epoch(Snapshot(epoch + 1, student.state_dict(), _momentum(optimiser, student)), mean)
    return student.eval()


def require_batches(recipe: Recipe, images: int, workers: int) -> None:
    """Refuse a batch that is larger than the data, or too small to be shared."""
    if images < recipe.batch or recipe.batch < workers:
        raise ValueError(
            f"a batch of {recipe.batch} images for {workers} workers needs at least as many "
            f"training images and one a worker, got {images}: choose another finetune.batch"
        )


def _loss(
    student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor, recipe: Recipe
) -> Tensor:
    logits = student(inputs)
    loss = F.cross_entropy(logits, labels)
    if recipe.distillation == 0:
        return loss
    warmth = recipe.temperature
    with torch.no_grad():
        softened = F.log_softmax(teacher(inputs) / warmth, dim=1)
    taught = F.kl_div(
        F.log_softmax(logits / warmth, dim=1), softened, reduction="batchmean", log_target=True
    )
    return (1 - recipe.distillation) * loss + recipe.distillation * warmth**2 * taught


def _batches(
    images: Images,
    normalisation: Normalisation,
    recipe: Recipe,
    epoch: int,
    rank: int,
    workers: int,
) -> Iterator[tuple[Tensor, Tensor]]:
    """This worker's part of every full batch, changed at random; the same whoever takes part."""
    rng = np.random.default_rng([recipe.seed, epoch])
    order = rng.permutation(len(images))
    for first in range(0, len(images) - recipe.batch + 1, recipe.batch):
        chosen = order[first : first + recipe.batch]
        shifts = rng.random((recipe.batch, 2))
        flips = rng.random(recipe.batch) < 0.5
        mine = slice(rank, None, workers)
        batch = images[chosen[mine]]
        pixels = _shifted(batch.pixels, shifts[mine])
        if recipe.mirror:
            pixels[flips[mine]] = pixels[flips[mine], :, ::-1]
        yield normalisation(Images(pixels, batch.labels)), torch.from_numpy(batch.labels)


def _shifted(pixels: NDArray[np.uint8], shifts: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Move each image by up to an eighth of its size; what comes in repeats the edge.

    Takes pixels of shape (images, height, width, channels) and shifts in [0, 1) of shape
    (images, 2).
    """
    count, height, width, _ = pixels.shape
    down, right = (max(1, size // 8) for size in (height, width))
    padded = np.pad(pixels, ((0, 0), (down, down), (right, right), (0, 0)), mode="edge")
    top = np.floor(shifts[:, 0] * (2 * down + 1)).astype(np.int64)
    left = np.floor(shifts[:, 1] * (2 * right + 1)).astype(np.int64)
    rows = (top[:, None] + np.arange(height))[:, :, None]
    columns = (left[:, None] + np.arange(width))[:, None, :]
    moved: NDArray[np.uint8] = padded[np.arange(count)[:, None, None], rows, columns]
    return moved


def _momentum(optimiser: torch.optim.SGD, network: nn.Module) -> State:
    return {
        name: optimiser.state[parameter]["momentum_buffer"]
        for name, parameter in network.named_parameters()
        if "momentum_buffer" in optimiser.state.get(parameter, {})
    }


def _restore(optimiser: torch.optim.SGD, network: nn.Module, momentum: Mapping[str, Any]) -> None:
    for name, parameter in network.named_parameters():
        if name in momentum:
            optimiser.state[parameter]["momentum_buffer"] = momentum[name].to(parameter.device)
