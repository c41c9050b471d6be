"""Session: ONNX Runtime as it is asked for - the provider, its threads, how far it optimises."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from .target import Optimisation, Target

Inputs = Mapping[str, NDArray[np.generic]]

CPU = "cpu"
PLAIN = Target()
"""One thread of the processor."""

_LEVELS: dict[Optimisation, onnxruntime.GraphOptimizationLevel] = {
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "off": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
_ERRORS_ONLY = 3
_NOTHING = 4

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


def installed() -> dict[str, str]:
    """The providers of this build of ONNX Runtime, by the short names that targets have."""
    return {_short(name): name for name in onnxruntime.get_available_providers()}


def require_provider(target: Target) -> None:
    """Refuse a provider that this build lacks or nobody knows; a ValueError names the others."""
    if target.provider in installed():
        return
    known = {_short(name) for name in onnxruntime.get_all_providers()}
    here = f"ONNX Runtime {onnxruntime.__version__} here has {', '.join(sorted(installed()))}"
    if target.provider not in known:
        raise ValueError(
            f"no provider is called {target.provider!r}: {here}; "
            f"others are {', '.join(sorted(known - installed().keys()))}"
        )
    raise ValueError(
        f"the provider {target.provider} is not installed: {here}; "
        "install a build that has it, or choose one of these"
    )


def open_session(
    model: bytes, target: Target = PLAIN, *, name: str = "the model"
) -> onnxruntime.InferenceSession:
    """Open a session; a ValueError tells by `name` what does not load, or which provider lacks.

    ONNX Runtime goes on by the processor where a provider is installed but has no device: that is
    refused.
    """
    return _opened(model, target, _options(target, _LEVELS[target.optimisation]), name)


def ready_for(target: Target, model: bytes, *, name: str = "the model") -> bytes:
    """Return the graph that a target runs.

    On the processor that is one that is rewritten here, once, so that opening it takes
    milliseconds; other providers rewrite what they are given whenever they open it.
    """
    return rewritten(model, target, name=name) if target.provider == CPU else model


def open_ready(
    ready: bytes, target: Target, *, name: str = "the model", profile: Path | None = None
) -> onnxruntime.InferenceSession:
    """Open a session of a graph that is `ready_for` the target.

    It writes what every node takes to a file that begins with `profile`, if that is given.
    """
    options = _options(target, _LEVELS["off" if target.provider == CPU else target.optimisation])
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = os.fspath(profile)
    return _opened(ready, target, options, name)


def random_inputs(
    session: onnxruntime.InferenceSession, batch: int, sizes: Mapping[str, int] | None = None
) -> Inputs:
    """Draw inputs for any model: normal numbers for floats, zeros for everything else.

    A free first dimension is the batch; other free ones are as `sizes` says by their names, and a
    ValueError names the one that it lacks.
    """
    rng = np.random.default_rng(0)
    inputs: dict[str, NDArray[np.generic]] = {}
    for wanted in session.get_inputs():
        shape = [
            size if isinstance(size, int) else _free(wanted.name, place, size, batch, sizes or {})
            for place, size in enumerate(wanted.shape)
        ]
        if wanted.type not in _TYPES:
            raise ValueError(f"the input {wanted.name} is a {wanted.type}: no such can be drawn")
        kind = np.dtype(_TYPES[wanted.type])
        drawn = rng.standard_normal(shape) if kind.kind == "f" else np.zeros(shape)
        inputs[wanted.name] = drawn.astype(kind)
    return inputs


def _free(name: str, place: int, size: str | None, batch: int, sizes: Mapping[str, int]) -> int:
    """The size of a dimension that the model leaves free."""
    if size is not None and size in sizes:
        return sizes[size]
    if place == 0:
        return batch
    raise ValueError(f"dimension {place} of the input {name} is free: give it by --size {size}=N")


def _short(provider: str) -> str:
    return provider.removesuffix("ExecutionProvider").lower()


def _options(
    target: Target, level: onnxruntime.GraphOptimizationLevel
) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = target.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = level
    options.log_severity_level = _ERRORS_ONLY
    return options


def rewritten(model: bytes, target: Target, *, name: str = "the model") -> bytes:
    """Rewrite a graph as ONNX Runtime does before it runs on this processor."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        options = _options(target, _LEVELS[target.optimisation])
        options.optimized_model_filepath = os.fspath(path)
        options.log_severity_level = _NOTHING  # it warns that the file is for this processor alone
        _opened(model, target, options, name)
        return path.read_bytes()


def _opened(
    model: bytes, target: Target, options: onnxruntime.SessionOptions, name: str
) -> onnxruntime.InferenceSession:
    require_provider(target)
    asked = installed()[target.provider]
    try:
        session = onnxruntime.InferenceSession(model, options, providers=[asked])
    except Exception as error:  # ONNX Runtime has no exception class of its own to name
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"ONNX Runtime cannot load {name}: {told}") from error
    if asked not in session.get_providers():
        raise ValueError(
            f"the provider {target.provider} is installed but cannot be used here: "
            "look for its device and driver, or choose another one"
        )
    return session
