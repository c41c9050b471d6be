"""Exported networks: a folder with ONNX, safetensors and JSON that needs nothing else."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from .import_path import resolve
from .surgery import fit
from .weights import State, missing, state_of

FORMAT = 1
ONNX, WEIGHTS, CARD = "model.onnx", "model.safetensors", "model.json"


def save(directory: Path, network: nn.Module, model: bytes, card: dict[str, Any]) -> None:
    """Write the three files into a new or an emptied folder: whole, or not there.

    `card` must name the network's `factory` and `arguments`.
    """
    beside = directory.with_name(directory.name + ".partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    (beside / ONNX).write_bytes(model)
    state = {name: tensor.contiguous() for name, tensor in state_of(network).items()}
    (beside / WEIGHTS).write_bytes(save_tensors(state))
    (beside / CARD).write_text(json.dumps({"format": FORMAT, **card}, indent=2) + "\n")
    shutil.rmtree(directory, ignore_errors=True)
    os.replace(beside, directory)


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


def load(directory: Path) -> nn.Module:
    """Rebuild an exported network as a PyTorch module in evaluation mode."""
    card = read_card(directory)
    state = _read_state(directory / WEIGHTS)
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


def _read_state(path: Path) -> State:
    try:
        return load_tensors(path.read_bytes())
    except Exception as error:
        raise ValueError(f"cannot read {path}: {error}; export the network anew") from error
