"""Task: graphs, what is to be told of them, and which of them serve for what."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold
from torch import Tensor

from .features import Features
from .graphs import Batch, Graphs

Level = Literal["graph", "node"]
Part = Literal["train", "validation", "test"]
Selection = Literal["honest", "paper"]
"""What chooses epochs and maskers: a validation part, or the test part, as in the authors' code."""


@dataclass(frozen=True, slots=True)
class Split:
    """Numbers of the graphs, or of one graph's nodes, that serve for each purpose."""

    train: Tensor
    validation: Tensor
    test: Tensor

    def of(self, part: Part) -> Tensor:
        """The numbers of a part."""
        numbers: Tensor = getattr(self, part)
        return numbers


@dataclass(frozen=True, slots=True)
class Task:
    """What is learned: the class of graphs or nodes, or, with several labels, each label's.

    `seen` is how the features were made of the published ones. `split` is the published one; graphs
    without one are split into folds.
    """

    name: str
    level: Level
    graphs: Graphs
    classes: int
    seen: Features
    split: Split | None

    def __post_init__(self) -> None:
        features, labels = self.graphs.features, self.graphs.labels
        if not _finite(features):
            rows = (~torch.isfinite(features)).any(dim=1)
            raise ValueError(
                f"{self.name} has features that are not finite, in {int(rows.sum())} of "
                f"{len(rows)} nodes, first in node {int(rows.nonzero()[0])}: mend the data"
            )
        if labels.ndim == 1 and bool((labels == labels[:1]).all()):
            raise ValueError(f"{self.name} must have at least two classes, all labels are the same")

    @property
    def one_graph(self) -> bool:
        """Whether parts are nodes of one graph (transductive), not graphs."""
        return self.level == "node" and len(self.graphs) == 1

    @property
    def multilabel(self) -> bool:
        """Whether each label is told for itself."""
        return self.graphs.labels.ndim == 2

    def without_edges(self, kept: Tensor) -> "Task":
        """The same task on graphs that keep these edges alone."""
        return replace(self, graphs=self.graphs.keeping(kept))

    def splits(self, folds: int, *, seed: int, selection: Selection) -> list[Split]:
        """The published split, or stratified folds; each fold is the test part once.

        The next fold validates (`honest`); where the test part chooses (`paper`), that one is
        trained on as well, and the validation part is the test part.
        """
        if self.split is not None:
            published = self.split
            return [
                published
                if selection == "honest"
                else replace(published, validation=published.test)
            ]
        labels = self.graphs.labels.numpy()
        fewest = int(np.bincount(labels).min())
        if not 3 <= folds <= fewest:
            raise ValueError(
                f"folds must be at least 3 and at most {fewest}, the graphs of {self.name}'s "
                f"smallest class, got {folds}"
            )
        cut = StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
        parts = [torch.from_numpy(test) for _, test in cut]
        made = []
        for place, test in enumerate(parts):
            validation = parts[(place + 1) % folds] if selection == "honest" else test
            other = torch.ones(len(labels), dtype=torch.bool)
            other[test] = other[validation] = False
            made.append(Split(other.nonzero().squeeze(1), validation, test))
        return made

    def batches(
        self, split: Split, part: Part, size: int, generator: torch.Generator | None = None
    ) -> Iterator[tuple[Batch, Tensor | None]]:
        """Yield batches, and which rows of the answers count, None for all.

        With a generator in a new order. No batch is of a single graph, which BatchNorm cannot
        train on, unless there is no other.
        """
        numbers = split.of(part)
        if self.one_graph:
            yield self.graphs.whole, numbers
            return
        if generator is not None:
            numbers = numbers[torch.randperm(len(numbers), generator=generator)]
        chunks = list(torch.split(numbers, size))
        if len(chunks) > 1 and len(chunks[-1]) == 1:
            chunks[-2:] = [torch.cat(chunks[-2:])]
        for chunk in chunks:
            yield self.graphs.batch(chunk), None


def _finite(features: Tensor) -> bool:
    """Whether no feature is NaN or infinite, told by the ends: what may be large is not copied."""
    return not features.numel() or bool(torch.isfinite(torch.stack(features.aminmax())).all())
