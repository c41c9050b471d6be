"""Gaussian process: the regression that both learned surrogates use, on features of their own."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from threadpoolctl import ThreadpoolController

_THREADS = ThreadpoolController()  # looks for the libraries once: that takes longer than to predict


class GaussianProcess:
    """A fitted process: Matern 5/2 with one length scale, plus noise.

    Its parameters are those of the largest likelihood from a fixed start, on one thread, so that
    the same data give the same model.
    """

    def __init__(self, features: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        scale = float(np.sqrt(features.shape[1]))
        kernel = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(scale, (1e-1, 1e4), nu=2.5)
        self._model = GaussianProcessRegressor(
            kernel + WhiteKernel(1e-2, (1e-6, 1.0)), normalize_y=True
        )
        with _THREADS.limit(limits=1), warnings.catch_warnings():
            # A parameter at its bound is no reason to warn: the search checks the ranking.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model.fit(features, values)

    def __call__(
        self, features: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation at features of shape (rows, features)."""
        with _THREADS.limit(limits=1):
            mean, deviation = self._model.predict(features, return_std=True)
        return mean, deviation
