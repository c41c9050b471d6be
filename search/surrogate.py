"""Surrogate: what the search asks of a cheap prediction, and how far it may be believed."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

Genomes = NDArray[np.int64]
"""Shape (genomes, genes)."""


class Predictor(Protocol):
    """A fitted model of one objective."""

    def __call__(self, genomes: Genomes, /) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean and the standard deviation of the objective, shape (genomes,) each."""
        ...


class Surrogate(Protocol):
    """Learns one objective from measured genomes. It never measures, and holds no state."""

    def __call__(self, genomes: Genomes, values: NDArray[np.float64], /) -> Predictor:
        """Fit to values of shape (genomes,) and return the predictor."""
        ...


def agreement(surrogate: Surrogate, genomes: Genomes, values: NDArray[np.float64]) -> float:
    """Kendall's tau between prediction and truth on every fourth genome, which the fit did not see.

    0 where too few genomes or constant values leave nothing to rank.
    """
    held = np.arange(len(genomes)) % 4 == 3
    if held.sum() < 2:
        return 0.0
    predicted, _ = surrogate(genomes[~held], values[~held])(genomes[held])
    tau = float(kendalltau(predicted, values[held]).statistic)
    return 0.0 if np.isnan(tau) else tau
