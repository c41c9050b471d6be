"""Latency model: randomised trees over staircase features."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor

from ..search.surrogate import Genomes, Predictor, Surrogate

VECTOR_WIDTHS = (8, 16)
"""Channels that a CPU kernel works on at once; a part-filled vector costs as much as a full one."""


def latency_model(dense: Sequence[int], *, trees: int = 60) -> Surrogate:
    """Model the latency of a network whose groups are `dense` wide when nothing is pruned.

    The features tell, for every group, the width and how many vectors it fills, and their sums
    over groups of the same dense width. The deviation is that of the trees' answers.
    """
    widths = np.asarray(dense, dtype=np.int64)

    def surrogate(genomes: Genomes, values: NDArray[np.float64]) -> Predictor:
        model = ExtraTreesRegressor(trees, min_samples_leaf=2, max_features=0.5, random_state=0)
        model.fit(staircase_features(genomes, widths), values)

        def predict(rows: Genomes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            features = staircase_features(rows, widths).astype(np.float32)
            answers = np.stack([tree.predict(features) for tree in model.estimators_])
            return answers.mean(axis=0), answers.std(axis=0)

        return predict

    return surrogate


def staircase_features(genomes: Genomes, dense: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return features of genomes of shape (genomes, groups), shape (genomes, features)."""
    steps = [genomes, *(-(-genomes // width) for width in VECTOR_WIDTHS)]
    sums = [
        step[:, dense == width].sum(axis=1, keepdims=True)
        for step in steps
        for width in np.unique(dense)
    ]
    shares = (genomes / dense).mean(axis=1, keepdims=True)
    return np.concatenate([*steps, *sums, shares], axis=1).astype(np.float64)
