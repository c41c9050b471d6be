"""Attention transfer: where a network looks, taught by another one.

Zagoruyko and Komodakis, ICLR 2017: the attention of a feature map is the mean of its squared
channels, normalised over its pixels. Maps of different numbers of channels can be compared.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

Size = tuple[int, int]
Hook = Callable[[nn.Module, object, object], None]


def attention(features: Tensor) -> Tensor:
    """Return unit vectors of shape (images, pixels), of features (images, channels, h, w).

    They are computed in fp32, whatever the features are in.
    """
    energy = torch.linalg.vector_norm(features, dim=1, dtype=torch.float32).square()
    return F.normalize(energy.flatten(1), dim=1)


def attention_loss(student: Mapping[Size, Tensor], teacher: Mapping[Size, Tensor]) -> Tensor:
    """Return the mean over stage ends of the mean squared difference of attentions.

    Takes feature maps by height and width; the teacher's get no gradient. Where both networks are
    the same it is 0.
    """
    differences = [
        (attention(features) - attention(teacher[size].detach())).square().mean()
        for size, features in student.items()
    ]
    return torch.stack(differences).mean()


class AttentionTransfer:
    """Compares where two networks have looked, at the end of every stage."""

    def __init__(self, student: nn.Module, teacher: nn.Module, example: Tensor) -> None:
        """Find the stages of both on an example of shape (images, channels, height, width).

        ValueError where the teacher has no stage of the same resolution for each of the student's.
        """
        self._student, self._teacher = Stages(student, example), Stages(teacher, example)
        self._student.require_like(self._teacher)

    @property
    def ends(self) -> dict[Size, str]:
        """The student's modules that end a stage, by its resolution."""
        return self._student.names

    def loss(self, gates: Mapping[Size, Tensor] = MappingProxyType({})) -> Tensor:
        """Return the difference, once both networks have seen the same batch.

        At some resolutions the student's channels may be multiplied by gates, shape (channels,).
        """
        seen = {
            size: features * gates[size].view(-1, 1, 1) if size in gates else features
            for size, features in self._student.features.items()
        }
        return attention_loss(seen, self._teacher.features)


class Stages:
    """Looks at a network's feature maps at the end of every stage, as a forward pass leaves them.

    A stage is what has one resolution; it ends with the last module that works at it.
    """

    def __init__(self, network: nn.Module, example: Tensor) -> None:
        """Find the stages on an example of shape (images, channels, height, width)."""
        ends: dict[Size, str] = {}

        def note(name: str, size: Size) -> None:
            ends[size] = name

        mode = network.training
        with _watched(network.eval(), note), torch.no_grad():
            network(example)
        network.train(mode)
        self.names = ends
        self.features: dict[Size, Tensor] = {}
        for size, name in ends.items():
            network.get_submodule(name).register_forward_hook(self._remember(size))

    def _remember(self, size: Size) -> Hook:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor):
                self.features[size] = output

        return hook

    def require_like(self, teacher: "Stages") -> None:
        """Refuse a teacher that has no stage of the same resolution for each of these."""
        if absent := [size for size in self.names if size not in teacher.names]:
            raise ValueError(
                "the teacher's feature maps are of "
                f"{_sizes(teacher.names)}, the network's of {_sizes(self.names)}: attention can "
                f"be compared at the same sizes alone, and {_sizes(absent)} is missing"
            )


@contextmanager
def _watched(network: nn.Module, tell: Callable[[str, Size], None]) -> Iterator[None]:
    """Tell of every module that returns a feature map, in the order in which they end."""

    def told(name: str) -> Hook:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and output[0, 0].numel() > 1:
                tell(name, (output.shape[2], output.shape[3]))

        return hook

    handles = [
        module.register_forward_hook(told(name)) for name, module in network.named_modules() if name
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _sizes(sizes: Iterable[Size]) -> str:
    return ", ".join(f"{height}x{width}" for height, width in sizes)
