"""Exported networks: a folder with ONNX, safetensors and JSON that needs nothing else."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from ..disk import synchronise, write_through
from ..import_path import resolve
from ..pruning.surgery import fit
from ..tensors.weights import State, missing, state_of

FORMAT = 1
ONNX, WEIGHTS, CARD = "model.onnx", "model.safetensors", "model.json"
INT8 = "model.int8.onnx"
"""The graph as targets in int8 run it, where a search has such."""

TICKET = "ticket"
"""The key of a card that tells of a graph network's ticket."""


def save(
    directory: Path,
    network: nn.Module,
    model: bytes,
    card: dict[str, Any],
    *,
    int8: bytes | None = None,
) -> None:
    """Write the files into a new or an emptied folder: whole, or not there.

    `card` must name the network's `factory` and `arguments`; `int8` is its graph in int8.
    """
    files = {ONNX: model, WEIGHTS: tensors(state_of(network))}
    write_folder(directory, files if int8 is None else {**files, INT8: int8}, card)


def write_folder(directory: Path, files: Mapping[str, bytes], card: dict[str, Any]) -> None:
    """Write files and a card into a new or an emptied folder: whole, or not there."""
    beside = directory.with_name(directory.name + ".partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for name, content in files.items():
        write_through(beside / name, content)
    told = json.dumps({"format": FORMAT, **card}, indent=2) + "\n"
    write_through(beside / CARD, told.encode())
    synchronise(beside)
    shutil.rmtree(directory, ignore_errors=True)
    os.replace(beside, directory)
    synchronise(directory.parent)


def tensors(state: State) -> bytes:
    """Return tensors as a safetensors file holds them."""
    return save_tensors({name: tensor.contiguous() for name, tensor in state.items()})


def read_card(directory: Path) -> dict[str, Any]:
    """Return what `model.json` tells of the network."""
    try:
        card = json.loads((directory / CARD).read_text())
    except FileNotFoundError as error:
        raise ValueError(f"{directory} holds no exported network: expected {CARD} in it") from error
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{directory / CARD} is no JSON: {error}; export the network anew"
        ) from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        found = card.get("format") if isinstance(card, dict) else None
        raise ValueError(
            f"{directory / CARD} has format {found!r}, this version reads {FORMAT}: "
            "export the network anew"
        )
    return card


def network_card(directory: Path) -> dict[str, Any]:
    """Return what `model.json` tells of a network of images; a ticket's is refused."""
    card = read_card(directory)
    if TICKET in card:
        raise ValueError(
            f"{directory} holds a ticket of a graph network: its scores are in {CARD}, and "
            "secateur.load gives the network and the transform of its graphs"
        )
    return card


def load(directory: Path) -> nn.Module:
    """Rebuild an exported network as a PyTorch module in evaluation mode."""
    card = network_card(directory)
    state = read_state(directory / WEIGHTS)
    return rebuild(card["factory"], card["arguments"], state, source=directory / WEIGHTS)


def rebuild(factory: str, arguments: dict[str, Any], state: State, *, source: Path) -> nn.Module:
    """Build a network that holds the tensors read from `source`, of whatever widths."""
    dense = build(factory, arguments)
    if absent := missing(dense, state):
        raise ValueError(
            f"{source} lacks {absent[0]} ({len(absent)} tensors in all) of {factory}: "
            "it is damaged, or holds another network"
        )
    return fit(dense, state).eval()


def build(factory: str, arguments: dict[str, Any]) -> nn.Module:
    """Call a network's factory by its import path."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = resolve(factory)(**arguments)
    if not isinstance(network, nn.Module):
        raise ValueError(f"{factory} must return a torch.nn.Module, got {type(network).__name__}")
    return network


def read_state(path: Path) -> State:
    """Return the tensors of a safetensors file."""
    try:
        return load_tensors(path.read_bytes())
    except Exception as error:
        raise ValueError(f"cannot read {path}: {error}; export the network anew") from error
