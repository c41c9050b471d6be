"""Networks: the CIFAR ResNets, VGG-16-BN and MobileNets, and the small one of the demo."""

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from .tensors.zero_channels import ZeroChannels

Shortcut = Literal["padding", "projection"]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut.

    He et al. 2015, section 4.2: where the resolution halves, the shortcut `padding` ("option A")
    takes every second pixel and pads the new channels with zeros, half before and half after;
    `projection` ("option B") is a strided 1x1 convolution with BatchNorm.
    """

    def __init__(
        self, in_channels: int, channels: int, stride: int, shortcut: Shortcut = "padding"
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride = stride
        self.padding: nn.Module | None = None
        self.downsample: nn.Module | None = None
        if shortcut == "projection" and stride > 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
        elif channels > in_channels:
            before = (channels - in_channels) // 2
            self.padding = ZeroChannels(before, channels - in_channels - before)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images of shape (batch, in_channels, h, w)."""
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(inputs)))))
        return F.relu(residual + self._shortcut(inputs))

    def _shortcut(self, inputs: Tensor) -> Tensor:
        if self.downsample is not None:
            return self.downsample(inputs)  # type: ignore[no-any-return]
        if self.stride > 1:
            inputs = inputs[:, :, :: self.stride, :: self.stride]
        return inputs if self.padding is None else self.padding(inputs)


class ResNet(nn.Module):
    """A residual network for small images: a stem, stages of basic blocks, a linear head."""

    def __init__(
        self,
        *,
        blocks: int,
        widths: tuple[int, ...],
        in_channels: int,
        classes: int,
        shortcut: Shortcut = "padding",
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages = len(widths)
        for stage, (before, width) in enumerate(pairwise((widths[0], *widths)), start=1):
            first = BasicBlock(before, width, 1 if stage == 1 else 2, shortcut)
            rest = [BasicBlock(width, width, stride=1) for _ in range(blocks - 1)]
            self.add_module(f"layer{stage}", nn.Sequential(first, *rest))
        # The published weights of either kind call their head so.
        self.head = "linear" if shortcut == "padding" else "fc"
        self.add_module(self.head, nn.Linear(widths[-1], classes))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, shape (batch, classes), of images of shape (batch, channels, h, w)."""
        features = F.relu(self.bn1(self.conv1(images)))
        for stage in range(1, self.stages + 1):
            features = self.get_submodule(f"layer{stage}")(features)
        logits: Tensor = self.get_submodule(self.head)(features.mean(dim=(2, 3)))
        return logits


def cifar_resnet(depth: int, classes: int = 10, shortcut: Shortcut = "padding") -> ResNet:
    """Build the CIFAR ResNet of 6n + 2 layers (He et al. 2015): 20, 32, 44, 56, 110, ..."""
    if depth < 8 or depth % 6 != 2:
        raise ValueError(f"a CIFAR ResNet has 6n + 2 layers (20, 32, 44, 56, 110), got {depth!r}")
    return ResNet(
        blocks=(depth - 2) // 6,
        widths=(16, 32, 64),
        in_channels=3,
        classes=classes,
        shortcut=shortcut,
    )


def cifar_vgg16_bn(classes: int = 10) -> nn.Sequential:
    """Build VGG-16 with BatchNorm and one linear layer (Simonyan & Zisserman 2015) for CIFAR."""
    widths = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)
    features: list[nn.Module] = []
    channels = 3
    for width in widths:  # 0: halve the resolution
        if width == 0:
            features.append(nn.MaxPool2d(2))
            continue
        features += [*_convolution(channels, width, 3), nn.ReLU(inplace=True)]
        channels = width
    return nn.Sequential(*features, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(channels, classes))


def cifar_mobilenet_v1(classes: int = 10) -> nn.Sequential:
    """Build MobileNet (Howard et al. 2017) for 32x32 images: a stem of stride 1, 13 blocks."""
    plan = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *5 * ((512, 1),))
    layers: list[nn.Module] = [*_convolution(3, 32, 3), nn.ReLU(inplace=True)]
    channels = 32
    for width, stride in (*plan, (1024, 2), (1024, 1)):
        layers += [*_convolution(channels, channels, 3, stride, channels), nn.ReLU(inplace=True)]
        layers += [*_convolution(channels, width, 1), nn.ReLU(inplace=True)]
        channels = width
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *pool, nn.Linear(channels, classes))


class InvertedResidual(nn.Module):
    """Expand, convolve depthwise, project; added to the input where the shapes agree.

    Sandler et al. 2018, figure 4.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        expand = [*_convolution(in_channels, inner, 1), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(
            *(expand if expansion > 1 else []),
            *_convolution(inner, inner, 3, stride, inner),
            nn.ReLU6(inplace=True),
            *_convolution(inner, channels, 1),
        )
        self.residual = stride == 1 and in_channels == channels

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images of shape (batch, in_channels, h, w)."""
        outputs: Tensor = self.layers(inputs)
        return inputs + outputs if self.residual else outputs


def cifar_mobilenet_v2(classes: int = 10) -> nn.Sequential:
    """Build MobileNetV2 (Sandler et al. 2018) for 32x32 images: the first two strides are 1."""
    stages = (
        *((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2)),
        *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
    )
    layers: list[nn.Module] = [*_convolution(3, 32, 3), nn.ReLU6(inplace=True)]
    channels = 32
    for expansion, width, blocks, stride in stages:
        for block in range(blocks):
            first = stride if block == 0 else 1
            layers.append(InvertedResidual(channels, width, first, expansion))
            channels = width
    layers += [*_convolution(channels, 1280, 1), nn.ReLU6(inplace=True)]
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *pool, nn.Linear(1280, classes))


def _convolution(
    in_channels: int, channels: int, size: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, nn.Module]:
    """A convolution without bias that keeps the resolution (but for its stride), and BatchNorm."""
    convolution = nn.Conv2d(
        in_channels, channels, size, stride, size // 2, groups=groups, bias=False
    )
    return convolution, nn.BatchNorm2d(channels)


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
