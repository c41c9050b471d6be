from dataclasses import replace

import pytest
import torch

from secateur.methods.icpg.task import Split, Task
from wheels import wheels


def test_every_graph_is_tested_once_and_no_part_overlaps():
    task = wheels()
    splits = task.splits(6, seed=0, selection="honest")
    assert sorted(torch.cat([split.test for split in splits]).tolist()) == list(range(48))
    for split in splits:
        parts = torch.cat([split.train, split.validation, split.test])
        assert sorted(parts.tolist()) == list(range(48))
        labels = task.graphs.labels[split.test]
        assert labels.sum() == len(labels) / 2


def test_each_fold_validates_the_one_before_it():
    splits = wheels().splits(6, seed=0, selection="honest")
    for split, following in zip(splits, [*splits[1:], splits[0]], strict=True):
        assert torch.equal(split.validation, following.test)


def test_choosing_by_the_test_part_is_the_authors_way_and_asked_for():
    for split in wheels().splits(6, seed=0, selection="paper"):
        assert torch.equal(split.validation, split.test)
        assert len(split.train) == 40


def test_a_published_split_is_kept():
    numbers = torch.arange(48)
    published = Split(numbers[:20], numbers[20:30], numbers[30:])
    task = replace(wheels(), split=published)
    assert task.splits(10, seed=3, selection="honest") == [published]
    (paper,) = task.splits(10, seed=3, selection="paper")
    assert torch.equal(paper.validation, published.test)


@pytest.mark.parametrize("folds", [2, 25, 1000])
def test_folds_that_the_classes_cannot_fill_are_refused(folds):
    with pytest.raises(ValueError, match=r"folds must be at least 3 and at most 24, .* got"):
        wheels().splits(folds, seed=0, selection="honest")


def test_one_class_alone_is_refused():
    graphs = wheels().graphs
    with pytest.raises(ValueError, match="wheels must have at least two classes"):
        replace(wheels(), graphs=replace(graphs, labels=torch.zeros(48, dtype=torch.int64)))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_features_that_are_no_numbers_are_counted_and_found(number):
    graphs = wheels().graphs
    features = graphs.features.clone()
    features[3, 1] = features[7, 0] = number
    with pytest.raises(ValueError, match=r"not finite, in 2 of 333 nodes, first in node 3"):
        replace(wheels(), graphs=replace(graphs, features=features))


def sizes(task: Task, split: Split, size: int) -> list[int]:
    return [len(batch.labels) for batch, _ in task.batches(split, "train", size)]


def test_no_batch_is_of_a_single_graph():
    split = Split(torch.arange(9), torch.arange(9, 12), torch.arange(12, 48))
    assert sizes(wheels(), split, 4) == [4, 5]
    assert sizes(wheels(), split, 8) == [9]


def test_batches_come_in_a_new_order_each_time_and_hold_every_graph():
    task = wheels()
    split, order = task.splits(6, seed=0, selection="honest")[0], torch.Generator().manual_seed(0)
    once, again = (
        torch.cat([batch.graph.bincount() for batch, _ in task.batches(split, "train", 8, order)])
        for _ in range(2)
    )
    assert not torch.equal(once, again)
    assert sorted(once.tolist()) == sorted(again.tolist())
