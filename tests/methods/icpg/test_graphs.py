import torch

from secateur.methods.icpg.graphs import ends, owners
from wheels import ring, wheels


def test_a_batch_holds_the_chosen_graphs_as_if_there_were_no_others():
    graphs = wheels().graphs
    batch = graphs.batch(torch.tensor([7, 2]))
    assert batch.graph.tolist() == [0] * 7 + [1] * 7
    expected = torch.cat([ring(7, True), ring(7, False) + 7], dim=1)
    found = {tuple(pair) for pair in batch.edges.T.tolist()}
    assert found == {tuple(pair) for pair in expected.T.tolist()}
    assert batch.labels.tolist() == [1, 0]
    assert torch.equal(batch.features[:, 1].long(), torch.bincount(batch.edges[0], minlength=14))


def test_the_batch_of_all_graphs_is_the_whole():
    graphs = wheels(lonely=True).graphs
    batch, whole = graphs.batch(torch.arange(len(graphs))), graphs.whole
    for one, other in zip(
        (batch.features, batch.edges, batch.graph, batch.labels),
        (whole.features, whole.edges, whole.graph, whole.labels),
        strict=True,
    ):
        assert torch.equal(one, other)


def test_a_batch_is_graphs_again():
    graphs, chosen = wheels(lonely=True).graphs, torch.tensor([7, 48, 2])
    batch = graphs.batch(chosen)
    for place, number in enumerate(chosen):
        mine, theirs = batch.graphs.batch(torch.tensor([place])), graphs.batch(number[None])
        assert torch.equal(mine.features, theirs.features)
        assert torch.equal(mine.edges, theirs.edges)


def test_a_graph_without_edges_keeps_its_nodes():
    graphs = wheels(lonely=True).graphs
    batch = graphs.batch(torch.tensor([48, 49]))
    assert batch.edges.shape == (2, 0)
    assert batch.graph.tolist() == [0, 0, 0, 1]
    assert len(graphs) == 50


def test_graphs_that_lose_edges_keep_the_others_in_order():
    graphs = wheels().graphs
    kept = torch.arange(graphs.edges.shape[1]) % 3 != 0
    fewer = graphs.keeping(kept)
    assert torch.equal(fewer.edges, graphs.edges[:, kept])
    assert torch.equal(fewer.edge_graphs, graphs.edge_graphs[kept])
    assert torch.equal(fewer.features, graphs.features)


def test_ends_and_owners_tell_the_same():
    counts = torch.tensor([2, 0, 3])
    assert ends(counts).tolist() == [0, 2, 2, 5]
    assert owners(ends(counts)).tolist() == [0, 0, 2, 2, 2]
