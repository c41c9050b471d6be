"""Models: what the name of a network on the command line stands for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ..data.normalisation import Normalisation
from ..import_path import resolve
from ..tensors.weights import assign, read_weights
from .exported import build, load, network_card, rebuild

Shape = tuple[int, int, int]

IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
TORCHVISION = "torchvision.models"
CIFAR = Normalisation((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
PROJECTION = {"depth": 56, "shortcut": "projection"}
PUBLISHED: dict[str, tuple[dict[str, Any], Normalisation]] = {
    "resnet20": ({"depth": 20}, IMAGENET),
    "resnet32": ({"depth": 32}, IMAGENET),
    "resnet56": ({"depth": 56}, IMAGENET),
    "resnet56b_groupsl_dense": (PROJECTION, CIFAR),
    "resnet56b_groupsl_pruned": (PROJECTION, CIFAR),
}
"""CIFAR-10 networks with published weights: the factory's arguments, the inputs' normalisation."""

AUXILIARY = ("googlenet", "inception_v3")
"""Networks with classifiers that only training uses: built without them, as nothing runs them."""


@dataclass(frozen=True)
class Model:
    """A network in evaluation mode, and what builds its structure anew: a factory and arguments."""

    name: str
    factory: str
    arguments: dict[str, Any]
    network: nn.Module
    shape: Shape
    normalisation: Normalisation
    data: str | None = None


def load_model(name: str, *, root: Path | None = None, shape: Shape | None = None) -> Model:
    """Load a network by name.

    Args:
        name: an exported directory, `torchvision:NAME[@WEIGHTS]`, `cifar10:NAME` (see PUBLISHED,
            with the weights below `root`), or an import path `package.module:factory`.
        root: the folder with data and weights.
        shape: channels, height and width of one image, where the name does not tell.
    """
    if Path(name).is_dir():
        return _exported(Path(name))
    source, colon, rest = name.partition(":")
    if not (colon and rest):
        raise ValueError(
            f"{name!r} is no model: expected an exported folder, torchvision:NAME, "
            "cifar10:resnet20 or an import path package.module:factory"
        )
    if source == "torchvision":
        return _torchvision(name, rest, shape)
    if source == "cifar10":
        return _cifar10(name, rest, root)
    network = build(name, {}).eval()
    return Model(name, name, {}, network, shape or (3, 224, 224), IMAGENET)


def _exported(directory: Path) -> Model:
    card = network_card(directory)
    mean, std = (tuple(card["normalisation"][key]) for key in ("mean", "std"))
    channels, height, width = card["input"]
    return Model(
        str(directory),
        card["factory"],
        card["arguments"],
        load(directory),
        (channels, height, width),
        Normalisation(mean, std),
        card.get("data"),
    )


def _torchvision(name: str, rest: str, shape: Shape | None) -> Model:
    import torchvision.models

    architecture, at, weights = rest.partition("@")
    if architecture not in torchvision.models.list_models(module=torchvision.models):
        raise ValueError(f"torchvision has no classification network called {architecture!r}")
    factory = f"{TORCHVISION}:{architecture}"
    size, normalisation = 299 if architecture == "inception_v3" else 224, IMAGENET
    arguments: dict[str, Any] = {"weights": None}
    if architecture in AUXILIARY:
        arguments |= {"aux_logits": False, "init_weights": False}
    if at:
        size, normalisation = _expected(architecture, weights, name)
        if architecture.startswith("vit_"):
            arguments["image_size"] = size
    network = build(factory, arguments)
    if at:
        published = _download(resolve(factory), weights, name)
        if architecture in AUXILIARY:  # their weights expect inputs in another normalisation
            arguments["transform_input"] = network.transform_input = published.transform_input
        state = {key: tensor.detach() for key, tensor in published.state_dict().items()}
        network = assign(network, {k: t for k, t in state.items() if "aux" not in k.lower()})
    return Model(name, factory, arguments, network.eval(), shape or (3, size, size), normalisation)


def _expected(architecture: str, weights: str, name: str) -> tuple[int, Normalisation]:
    """The size and the normalisation of the images that published weights expect."""
    from torchvision.models import get_model_weights

    known = get_model_weights(architecture)
    if weights not in known.__members__:
        raise ValueError(
            f"{name}: torchvision has no weights of that name for it: "
            f"use {' or '.join(known.__members__)}"
        )
    images = known[weights].transforms()
    return images.crop_size[0], Normalisation(tuple(images.mean), tuple(images.std))


def _download(factory: Callable[..., Any], weights: str, name: str) -> Any:
    try:
        return factory(weights=weights)
    except OSError as error:
        raise ValueError(
            f"{name}: torchvision cannot download the weights ({error}); "
            "leave @WEIGHTS out for random ones"
        ) from error


def _cifar10(name: str, rest: str, root: Path | None) -> Model:
    if rest not in PUBLISHED:
        raise ValueError(f"{name!r} is unknown: the published ones are {', '.join(PUBLISHED)}")
    arguments, normalisation = PUBLISHED[rest]
    if root is None:
        raise ValueError(f"{name} needs the folder that holds its weights: give --data-root")
    factory, path = "secateur.methods.networks:cifar_resnet", root / "cifar10_weights"
    weights = read_weights(path / f"{rest}.npz")
    network = rebuild(factory, arguments, weights, source=path / f"{rest}.npz")
    return Model(name, factory, arguments, network, (3, 32, 32), normalisation, "cifar10")
