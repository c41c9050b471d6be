"""Weights: reading them from files that cannot run code, and putting them into a network."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from .arrays import read_arrays
from .zero_channels import ZeroChannels

State = dict[str, Tensor]


def read_weights(path: Path) -> State:
    """Read a state dict from `.safetensors` or from `.npz` (arrays under state-dict names)."""
    if not path.is_file():
        raise ValueError(f"no weights at {path}: expected a .safetensors or .npz file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix == ".npz":
            arrays = read_arrays(path)
            return {name: torch.from_numpy(array) for name, array in arrays.items()}
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise ValueError(f"cannot read the weights in {path}: {error}") from error
    raise ValueError(
        f"weights must be a .safetensors or .npz file, got {path}: convert a .pth file by "
        "torch.load(..., weights_only=True) and safetensors.torch.save_file"
    )


def assign(network: nn.Module, weights: State) -> nn.Module:
    """Load weights; a difference in names or shapes is named, as it means another architecture."""
    own = state_of(network)
    absent = missing(network, weights)
    unexpected = [
        name for name in weights if name not in own and not name.endswith("num_batches_tracked")
    ]
    misshapen = [
        f"{name} is {tuple(weights[name].shape)}, the network has {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    problems = [f"missing {name}" for name in absent]
    problems += [f"unexpected {name}" for name in unexpected] + misshapen
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ValueError(
            f"the weights are of another architecture than {type(network).__name__}: "
            + "; ".join(problems[:3])
            + more
        )
    network.load_state_dict({name: weights.get(name, own[name]) for name in own}, strict=False)
    require_finite(state_of(network))
    return network


def missing(network: nn.Module, weights: State) -> list[str]:
    """Name the tensors that a network needs and weights lack.

    Zeros of a padding may be absent, as in weights that were published for another implementation.
    """
    zeros = {
        f"{name}.{part}"
        for name, module in network.named_modules()
        if isinstance(module, ZeroChannels)
        for part in ("before", "after")
    }
    return [name for name in state_of(network) if name not in weights and name not in zeros]


def require_finite(state: State) -> None:
    """Refuse weights that compute nothing: the first broken tensor is named."""
    for name, tensor in state.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"the weights hold NaN or infinite numbers, first in {name}")


def state_of(network: nn.Module) -> State:
    """Return the tensors that a candidate may change: no batch counters."""
    return {
        name: tensor.detach()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def below(prefix: str, state: State) -> State:
    """Return the tensors whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }


def shapes_of(state: State) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}
