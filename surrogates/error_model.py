"""Error model: a Gaussian process over the channels kept."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..search.surrogate import Genomes, Predictor, Surrogate
from .gaussian_process import GaussianProcess

_EDGE = 0.002
"""Shares of wrong answers nearer to 0 or 1 than this count as this."""


def error_model(dense: Sequence[int], criteria: int = 1) -> Surrogate:
    """Model the error of a network whose groups are `dense` wide when nothing is pruned.

    What hurts is the factor by which a group shrinks, and errors crowd at both ends of [0, 1]: the
    process maps the logarithm of the shares kept to the logit of the error. Where genomes choose
    among several criteria, the logarithm stands once more for the criterion that was chosen.
    """
    widths = np.asarray(dense, dtype=np.float64)

    def features(genomes: Genomes) -> NDArray[np.float64]:
        shares = np.log(genomes[:, : len(widths)] / widths)
        chosen = genomes[:, len(widths) :]
        return np.concatenate(
            [shares, *(shares * (chosen == number) for number in range(1, criteria))], axis=1
        )

    def surrogate(genomes: Genomes, values: NDArray[np.float64]) -> Predictor:
        clipped = np.clip(values, _EDGE, 1 - _EDGE)
        process = GaussianProcess(features(genomes), np.log(clipped / (1 - clipped)))

        def predict(rows: Genomes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            mean, deviation = process(features(rows))
            error = 1 / (1 + np.exp(-mean))
            return error, deviation * error * (1 - error)

        return predict

    return surrogate
