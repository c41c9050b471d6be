"""Gaussian process: the regression that both learned surrogates use, on features of their own."""

import warnings
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel
from threadpoolctl import ThreadpoolController

_THREADS = ThreadpoolController()  # looks for the libraries once: that takes longer than to predict

LEARNED_FROM = 128
"""Data that the kernel's parameters are fitted to: a likelihood costs the cube of their number."""

KNOWN = 1000
"""Data that a process knows at most: the latest, and as many evenly spread over those before."""

RELEARNED = 10
"""New data after which the kernel's parameters are found anew."""


class GaussianProcess:
    """A fitted process: Matern 5/2 with one length scale, plus noise.

    The kernel's parameters are those of the largest likelihood from a fixed start, on one thread,
    so that the same data give the same model. Where there are many data they are found on some of
    them, evenly spread, and anew with every tenth; the process itself knows up to a thousand.
    """

    def __init__(self, features: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        count = len(values) // RELEARNED * RELEARNED or len(values)
        some = np.unique(np.linspace(0, count - 1, LEARNED_FROM).astype(np.int64))
        kernel = _kernel(features[some].tobytes(), values[some].tobytes(), features.shape[1])
        known = _known(len(values))
        self._model = GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True)
        with _THREADS.limit(limits=1):
            self._model.fit(features[known], values[known])

    def __call__(
        self, features: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation at features of shape (rows, features)."""
        with _THREADS.limit(limits=1):
            mean, deviation = self._model.predict(features, return_std=True)
        return mean, deviation


def _known(count: int) -> NDArray[np.int64]:
    """Choose which of so many data, in the order in which they came, a process knows."""
    if count <= KNOWN:
        return np.arange(count)
    latest = count - KNOWN // 2
    earlier = np.linspace(0, latest - 1, KNOWN - KNOWN // 2).astype(np.int64)
    return np.concatenate([earlier, np.arange(latest, count)])


@lru_cache(maxsize=16)
def _kernel(features: bytes, values: bytes, columns: int) -> Kernel:
    """Find the kernel for such data: remembered, as a search asks again until there are more."""
    inputs = np.frombuffer(features).reshape(-1, columns)
    kernel = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(np.sqrt(columns), (1e-1, 1e4), nu=2.5)
    kernel = kernel + WhiteKernel(1e-2, (1e-6, 1.0))
    with _THREADS.limit(limits=1), warnings.catch_warnings():
        # A parameter at its bound is no reason to warn: the search checks the ranking.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GaussianProcessRegressor(kernel, normalize_y=True)
        return model.fit(inputs, np.frombuffer(values)).kernel_
