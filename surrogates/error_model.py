"""Error model: a Gaussian process over the shares of channels kept."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from threadpoolctl import threadpool_limits

from ..search.surrogate import Genomes, Predictor, Surrogate


def error_model(dense: Sequence[int]) -> Surrogate:
    """Model the error of a network whose groups are `dense` wide when nothing is pruned.

    Error is smooth in the widths. Kernel: Matern 5/2 with one length scale, plus noise; its
    parameters are fitted by maximum likelihood from a fixed start, on one thread, so that the same
    data give the same model.
    """
    widths = np.asarray(dense, dtype=np.float64)

    def surrogate(genomes: Genomes, values: NDArray[np.float64]) -> Predictor:
        kernel = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(
            np.sqrt(len(widths)), (1e-1, 1e3), nu=2.5
        ) + WhiteKernel(1e-2, (1e-6, 1.0))
        model = GaussianProcessRegressor(kernel, normalize_y=True)
        with threadpool_limits(limits=1), np.errstate(all="ignore"):
            _quietly_fit(model, genomes / widths, values)

        def predict(rows: Genomes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            with threadpool_limits(limits=1):
                mean, deviation = model.predict(rows / widths, return_std=True)
            return mean, deviation

        return predict

    return surrogate


def _quietly_fit(
    model: GaussianProcessRegressor, inputs: NDArray[np.float64], values: NDArray[np.float64]
) -> None:
    """Fit; a kernel parameter at its bound is no reason to warn: the search checks the ranking."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(inputs, values)
