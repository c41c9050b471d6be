"""Trained: a network that CLAD has made, put beside those of a search."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..search.candidate import Estimate
from .record import METHOD, Record
from .results import Member, Trained
from .workpiece import DENSE_WEIGHTS

RESULT = "result"
"""The fact that holds what was measured of the network that a training has made."""


def trained(path: Path, search: Record, number: int) -> Trained:
    """Return what a training in a folder has made, as a network of a search that began alike.

    Latencies were timed beside the same dense network, and count as multiples of it.

    Raises:
        ValueError: the folder holds no complete training of the same dense network.
    """
    training = Record(path)
    found: Mapping[str, Any] | None = training.journal.fact(RESULT)
    if training.journal.fact(METHOD) is None or found is None:
        raise ValueError(f"--with must name a complete `secateur train clad`, {path} is none")
    mine, theirs = (one.path / DENSE_WEIGHTS for one in (search, training))
    if mine.read_bytes() != theirs.read_bytes():
        raise ValueError(f"{path} began with another dense network than {search.path}")
    dense = search.results().dense
    measured = {name: _estimate(found[name]) for name in search.config.quantities}
    if "latency_ms" in measured:
        _require_same_device(training, search)
        unit = dense.objectives["latency_ms"].value / found["dense_latency_ms"]["value"]
        latency = measured["latency_ms"]
        measured["latency_ms"] = Estimate(
            latency.value * unit, latency.low * unit, latency.high * unit
        )
    member = Member(
        id=number,
        objectives={str(name): measured[name] for name in search.config.objectives},
        macs=found["macs"],
        params=found["params"],
        genome=tuple(found["widths"]),
        origin="clad",
        final_error=_estimate(found["final_error"]),
    )
    return Trained(member, tuple(estimate.value for estimate in measured.values()))


def _estimate(value: Any) -> Estimate:
    return Estimate(**value) if isinstance(value, Mapping) else Estimate.exact(value)


def _require_same_device(training: Record, search: Record) -> None:
    here, there = search.journal.fact("device"), training.journal.fact(RESULT)["device"]
    if here != there:
        raise ValueError(
            f"latencies of {search.path} were measured on {here}, those of {training.path} on "
            f"{there}: they cannot be compared"
        )
