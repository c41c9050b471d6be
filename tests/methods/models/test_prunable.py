import pickle

import pytest
import torch

from secateur.methods.data.normalisation import Normalisation
from secateur.methods.models.prunable import Prunable
from secateur.methods.pruning.criteria import rankings
from secateur.methods.tensors.weights import state_of


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def prunable(tiny) -> Prunable:
    return Prunable(
        factory="secateur.methods.networks:ResNet",
        arguments={"blocks": 1, "widths": [4, 8], "in_channels": 3, "classes": 5},
        state=state_of(tiny.network),
        plan=tiny.plan,
        rankings=rankings(tiny.network, tiny.plan, ["l2"]),
        normalisation=Normalisation((0.5,) * 3, (0.5,) * 3),
        shape=tiny.shape,
    )


def test_a_pruner_in_another_process_cuts_the_same_networks(tiny, prunable):
    there = pickle.loads(pickle.dumps(prunable)).pruner()
    for widths in [(4, 8), (2, 5), (1, 1)]:
        assert all(
            map(
                torch.equal,
                map(torch.tensor, there.kept(widths)),
                map(torch.tensor, tiny.pruner.kept(widths)),
            )
        )
        with torch.inference_mode():
            torch.testing.assert_close(
                there.cut(widths)(tiny.images), tiny.pruner.cut(widths)(tiny.images)
            )


def test_the_pruner_has_weights_of_its_own(tiny, prunable):
    for tensor in prunable.pruner().state.values():
        tensor.add_(1)
    assert all(torch.equal(prunable.state[n], t) for n, t in tiny.pruner.state.items())


@pytest.mark.parametrize("threads", [2, 1])
def test_the_process_computes_on_as_many_threads_as_asked(prunable, threads):
    prunable.pruner(threads=threads)
    assert torch.get_num_threads() == threads


def test_the_dense_network_is_in_evaluation_mode(prunable):
    assert not prunable.pruner().network.training
