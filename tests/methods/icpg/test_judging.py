from unittest.mock import Mock

import pytest
import torch
from torch import nn

from secateur.methods.icpg.fitting import Recipe, fit
from secateur.methods.icpg.judging import Parts, judge, recalibrate
from secateur.methods.icpg.masker import Masker
from secateur.methods.icpg.networks import GraphClassifier
from secateur.methods.icpg.task import Split, Task
from secateur.methods.icpg.weights import whole
from wheels import wheels

RECIPE = Recipe(epochs=4, batch=8, learning_rate=0.01, masker_rate=0.01, weight_decay=0.0)


def wheels_and_split() -> tuple[Task, Split]:
    task = wheels()
    return task, task.splits(5, seed=0, selection="honest")[0]


def networks(task: Task) -> tuple[GraphClassifier, Masker]:
    ins = task.graphs.features.shape[1]
    torch.manual_seed(0)
    network = GraphClassifier(ins, task.classes, hidden=16, layers=2)
    sizes = {"kind": "gcn", "hidden": 8, "layers": 2, "heads": 1}
    return network, Masker(ins, **sizes, reading="concat", plain=False)


def first_norm(features: torch.Tensor) -> dict[str, torch.Tensor]:
    """What a BatchNorm knows once it has seen these features alone."""
    return {"running_mean": features.mean(dim=0), "running_var": features.var(dim=0)}


@pytest.mark.parametrize("masked", [False, True])
def test_what_is_trained_knows_the_training_part_and_no_other(masked):
    task, split = wheels_and_split()
    network, masker = networks(task)
    fit(network, task, split, RECIPE, whole(network), seed=0, masker=masker if masked else None)
    expected = first_norm(task.graphs.batch(split.train).features)
    for module in (network, masker)[: 1 + masked]:
        assert not module.training
        for name, statistic in expected.items():
            torch.testing.assert_close(getattr(module.nodes.norm, name), statistic)


def test_statistics_are_those_of_the_weights_as_they_are():
    task, split = wheels_and_split()
    network, _ = networks(task)
    fit(network, task, split, RECIPE, whole(network), seed=0)
    norm = network.nodes.norms[0]
    before = norm.running_var.clone()
    with torch.no_grad():
        network.nodes.linear.weight *= 3  # what comes in is then larger
    recalibrate(network, Parts(task, split))
    torch.testing.assert_close(norm.running_var, 9 * before, rtol=1e-4, atol=0.0)


def test_a_network_is_judged_as_it_has_learned():
    """With the statistics of its own graphs, it answers them as it did in training."""
    task, split = wheels_and_split()
    network, _ = networks(task)
    fit(network, task, split, RECIPE, whole(network), seed=0)
    loss, score = judge(network, Parts(task, split), ("train",))[0]
    network.train()
    batch = task.graphs.batch(split.train)
    with torch.no_grad():
        logits = network(batch.features, batch.edges, batch=batch.graph)
    own = nn.functional.cross_entropy(logits, batch.labels)
    assert loss == pytest.approx(float(own), abs=0.01)
    assert score == float((logits.argmax(dim=1) == batch.labels).double().mean())


def test_without_batchnorms_no_graph_is_looked_at_again():
    task, split = wheels_and_split()
    network = Mock(spec=nn.Linear, wraps=nn.Linear(2, 2))
    network.modules.return_value = []
    recalibrate(network, Parts(task, split))
    network.eval.assert_called_once()
    network.assert_not_called()


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_part_is_gathered_once(part):
    task, split = wheels_and_split()
    parts = Parts(task, split)
    first = parts.batches(part)
    torch.testing.assert_close(first[0].labels, task.graphs.labels[split.of(part)])
    assert all(one is again for one, again in zip(first, parts.batches(part), strict=True))
