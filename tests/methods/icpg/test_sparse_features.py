import gc
import weakref

import torch

from secateur.methods.icpg.convolutions import prepared
from secateur.methods.icpg.networks import Plain
from secateur.methods.icpg.sparse_features import SparseFeatures, dropout, image, sparse


def few(nodes: int = 40, features: int = 30) -> torch.Tensor:
    """Features of which one in twenty is not zero."""
    draws = torch.Generator().manual_seed(0)
    kept = torch.rand(nodes, features, generator=draws) < 0.05
    return kept * torch.rand(nodes, features, generator=draws)


def test_a_layer_computes_and_learns_the_same():
    features, layer = few(), torch.nn.Linear(30, 4)
    found = []
    for x in (features, sparse(features)):
        layer.zero_grad()
        answers = image(layer, x)
        (answers**2).sum().backward()
        found.append((answers, layer.weight.grad.clone()))
    assert isinstance(sparse(features), SparseFeatures)
    torch.testing.assert_close(found[0], found[1])


def test_a_network_computes_the_same_whatever_it_is_given(monkeypatch):
    features, edges = few(), torch.randint(0, 40, (2, 90))
    for kind in ("gcn", "gat", "mlp", "gin"):
        network = Plain((30, 8, 3), kind, heads=1, dropout=0.5).eval()
        found = network(features, edges, None)
        with monkeypatch.context() as patch:
            patch.setattr("secateur.methods.icpg.networks.sparse", lambda x: x)
            torch.testing.assert_close(found, network(features, edges, None))
        assert prepared(kind, edges, None, 40).pattern.shape == (40, 40)


def test_it_is_made_once_and_forgotten_with_the_features():
    features = few()
    first = sparse(features)
    assert sparse(features) is first
    known = weakref.ref(first)
    del features, first
    gc.collect()
    assert known() is None


def test_what_is_dense_or_learned_stays_as_it_is():
    dense = torch.rand(5, 5)
    assert sparse(dense) is dense
    assert sparse(dense) is dense
    learned = few().requires_grad_()
    assert sparse(learned) is learned


def test_dropout_drops_its_share_and_makes_up_for_it():
    features = sparse(few(400, 300))
    torch.manual_seed(0)
    left = dropout(features, 0.4, training=True)
    kept = left.values != 0
    assert abs(float(kept.float().mean()) - 0.6) < 0.03
    torch.testing.assert_close(left.values[kept], features.values[kept] / 0.6)
    assert dropout(features, 0.4, training=False) is features
    dense = torch.ones(1000)
    assert abs(float((dropout(dense, 0.4, training=True) != 0).float().mean()) - 0.6) < 0.06
