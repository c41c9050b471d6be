"""Objectives: what is minimised."""

from dataclasses import dataclass

REFERENCE = 1.1
"""The reference point of every hypervolume, in each normalised objective."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A quantity to minimise; one that is `relative` counts in multiples of the dense network's."""

    name: str
    relative: bool
