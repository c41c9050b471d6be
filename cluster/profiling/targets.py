"""Targets: what a configuration says of latencies, as what measures them takes it."""

import numpy as np
from numpy.typing import NDArray

from ...actors.cores import confined, split_cores
from ...actors.job import Quantity
from ...methods.measuring.fingerprint import Fingerprint, fingerprint, identity
from ...methods.measuring.latency import Measurement, Protocol
from ...methods.measuring.quantised import CALIBRATION_IMAGES
from ...methods.measuring.session import require_provider
from ...methods.measuring.target import Target
from ...methods.measuring.target_meter import TargetMeter
from ...search.candidate import Estimate
from ..runs.workpiece import Workpiece
from ..settings.checked import ConfigError
from ..settings.config import Config, Latency

PLACES = "places"
"""The fact that names where the latencies of a run are measured, so far as that is known."""


def target_for(settings: Latency) -> Target:
    """What is measured on."""
    return Target(
        provider=settings.provider,
        threads=settings.threads,
        batch=settings.batch,
        precision=settings.precision,
        optimisation=settings.optimisation,
    )


def protocol_for(settings: Latency) -> Protocol:
    """How it is measured."""
    return Protocol(
        seconds=settings.seconds,
        precision=settings.interval,
        patience=settings.patience,
        statistic=settings.statistic,
        wander=settings.wander,
    )


def require_targets(config: Config) -> None:
    """Refuse targets that this machine does not have, before anything starts."""
    for quantity, settings in config.latencies.items():
        try:
            require_provider(target_for(settings))
        except ValueError as error:
            raise ConfigError(f"{quantity}: {error}") from error


def places(config: Config, address: str | None) -> dict[Quantity, str]:
    """Name where each latency is measured, in words that are equal where the places are.

    This machine is known by its fingerprint, a node of a cluster by its name alone: a latency that
    any node may measure has no place.
    """
    known: dict[Quantity, str] = {}
    for quantity, settings in config.latencies.items():
        target, node = target_for(settings), settings.profiler or config.workers.profiler
        if address is None:
            known[quantity] = identity(fingerprint(target))
        elif node is not None:
            known[quantity] = f"{node}: {target}"
    return known


def same_device(one: Fingerprint | None, other: Fingerprint | None) -> bool:
    """Whether latencies on both can be compared, so far as that is known."""
    return one is not None and other is not None and identity(one) == identity(other)


def calibration(workpiece: Workpiece) -> NDArray[np.float32]:
    """The images by which graphs are brought into int8, normalised."""
    images = workpiece.dataset.train[:CALIBRATION_IMAGES]
    return workpiece.prunable.normalisation(images).contiguous().numpy()


def timed(workpiece: Workpiece, model: bytes) -> tuple[Measurement, Estimate, Fingerprint]:
    """Time a graph beside the dense network's as `latency` says, alone on cores of its own.

    Returns what was measured of it, the dense network's latency in milliseconds, and on what.
    """
    settings = workpiece.config.latency
    target = target_for(settings)
    with confined(split_cores(settings.threads).profiler):
        meter = TargetMeter(
            workpiece.template.fill(workpiece.prunable.state),
            target,
            protocol_for(settings),
            calibration=calibration(workpiece),
        )
        return meter(model), meter.reference_ms, fingerprint(target)
