import pytest
import torch

from secateur.methods.icpg.masker import Masker
from wheels import wheels

SETTINGS = {
    "kind": "gcn",
    "hidden": 8,
    "layers": 2,
    "heads": 2,
    "reading": "concat",
    "plain": False,
}


def masker(**options) -> Masker:
    torch.manual_seed(0)
    return Masker(wheels().graphs.features.shape[1], **(SETTINGS | options)).eval()


@pytest.mark.parametrize("kind", ["gcn", "gin", "gat", "mlp"])
@pytest.mark.parametrize("reading", ["concat", "inner"])
@pytest.mark.parametrize("plain", [False, True])
def test_every_directed_edge_has_a_score_between_0_and_1(kind, reading, plain):
    batch = wheels(lonely=True).graphs.whole
    with torch.no_grad():
        scores = masker(kind=kind, reading=reading, plain=plain)(batch.features, batch.edges)
    assert scores.shape == (batch.edges.shape[1],)
    assert 0 < scores.min() <= scores.max() <= 1
    if reading == "concat":  # large products of embeddings are 1 in fp32
        assert scores.min() < scores.max() < 1


def test_one_layer_over_both_embeddings_is_what_is_computed():
    one, batch = masker(), wheels(4).graphs.whole
    with torch.no_grad():
        embedded = one.nodes(batch.features, batch.edges, None)
        weights = one.ends.weight.flatten()
        both = torch.cat([embedded[batch.edges[0]], embedded[batch.edges[1]]], dim=1)
        expected = torch.sigmoid(both @ weights + one.ends.bias.sum())
        torch.testing.assert_close(one(batch.features, batch.edges), expected)


def test_no_edges_have_no_scores():
    batch = wheels(lonely=True).graphs.batch(torch.tensor([48]))
    with torch.no_grad():
        assert masker()(batch.features, batch.edges).shape == (0,)


def test_logits_rank_where_scores_are_all_one():
    one, batch = masker(), wheels(4).graphs.whole
    with torch.no_grad():
        one.ends.weight.mul_(1e4)
        one.ends.bias.fill_(1e5)
        assert len(one(batch.features, batch.edges).unique()) == 1
        assert len(one.logits(batch.features, batch.edges).unique()) > 1
