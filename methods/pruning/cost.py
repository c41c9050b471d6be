"""Cost: what a network costs on paper."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Multiply-adds for one image, parameters, bytes of weights and activations."""

    macs: int
    params: int
    memory_bytes: int
