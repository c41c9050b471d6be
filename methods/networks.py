"""Networks: the CIFAR ResNets, and the small one of the demo."""

from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut without parameters ("option A").

    He et al. 2015, section 4.2: where the resolution halves, the shortcut takes every second pixel
    and pads the new channels with zeros, half before and half after.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride = stride
        self.new_channels = channels - in_channels

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images of shape (batch, in_channels, h, w)."""
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(inputs)))))
        return F.relu(residual + self._shortcut(inputs))

    def _shortcut(self, inputs: Tensor) -> Tensor:
        if self.stride > 1:
            inputs = inputs[:, :, :: self.stride, :: self.stride]
        if self.new_channels:
            before = self.new_channels // 2
            inputs = F.pad(inputs, (0, 0, 0, 0, before, self.new_channels - before))
        return inputs


class ResNet(nn.Module):
    """A residual network for small images: a stem, stages of basic blocks, a linear head."""

    def __init__(
        self, *, blocks: int, widths: tuple[int, ...], in_channels: int, classes: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages = len(widths)
        for stage, (before, width) in enumerate(pairwise((widths[0], *widths)), start=1):
            first = BasicBlock(before, width, stride=1 if stage == 1 else 2)
            rest = [BasicBlock(width, width, stride=1) for _ in range(blocks - 1)]
            self.add_module(f"layer{stage}", nn.Sequential(first, *rest))
        self.linear = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, shape (batch, classes), of images of shape (batch, channels, h, w)."""
        features = F.relu(self.bn1(self.conv1(images)))
        for stage in range(1, self.stages + 1):
            features = self.get_submodule(f"layer{stage}")(features)
        return self.linear(features.mean(dim=(2, 3)))  # type: ignore[no-any-return]


def cifar_resnet(depth: int, classes: int = 10) -> ResNet:
    """Build the CIFAR ResNet of 6n + 2 layers (He et al. 2015): 20, 32, 44, 56, 110, ..."""
    if depth < 8 or depth % 6 != 2:
        raise ValueError(f"a CIFAR ResNet has 6n + 2 layers (20, 32, 44, 56, 110), got {depth!r}")
    return ResNet(blocks=(depth - 2) // 6, widths=(16, 32, 64), in_channels=3, classes=classes)


def digits_resnet() -> ResNet:
    """Build the demo's network: 8x8 grey digits, two blocks in each of three stages."""
    return ResNet(blocks=2, widths=(16, 32, 64), in_channels=1, classes=10)


def initialised(network: nn.Module, seed: int) -> nn.Module:
    """Draw every convolution's weights anew (He et al. 2015a), from a generator of its own."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", generator=generator)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01, generator=generator)
            nn.init.zeros_(module.bias)
    return network
