from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from secateur.methods.icpg.edges import EdgePruner, best_of_each
from secateur.methods.icpg.graphs import Graphs
from wheels import wheels


def everything(graphs: Graphs) -> torch.Tensor:
    return torch.ones(graphs.edges.shape[1], dtype=torch.bool)


def rounds(graphs: Graphs, count: int, **options) -> list[torch.Tensor]:
    """What is kept after each round, scores being random."""
    pruner = EdgePruner(graphs, **({"rule": "nominal", "pairing": "directed"} | options))
    draws, kept, found = torch.Generator().manual_seed(0), everything(graphs), []
    for number in range(1, count + 1):
        scores = torch.rand(int(kept.sum()), generator=draws)
        kept = pruner.prune(kept, scores, removed=0.05, left=0.95**number)
        found.append(kept)
    return found


def per_graph(graphs: Graphs, kept: torch.Tensor) -> torch.Tensor:
    return torch.bincount(graphs.edge_graphs[kept], minlength=len(graphs))


def test_each_graph_keeps_the_nominal_share_to_rounding():
    graphs = wheels(lonely=True).graphs
    counts = per_graph(graphs, everything(graphs))
    for number, kept in enumerate(rounds(graphs, 20), start=1):
        wanted = torch.round(counts.double() * 0.95**number).long()
        assert torch.equal(per_graph(graphs, kept), wanted)


def test_what_is_dropped_never_returns():
    graphs = wheels().graphs
    found = rounds(graphs, 12)
    assert all(bool((later <= earlier).all()) for earlier, later in pairwise(found))


def test_the_floor_spares_small_graphs_as_the_authors_code_does():
    graphs = wheels().graphs  # of at most 30 directed edges
    counts = per_graph(graphs, everything(graphs))
    kept = rounds(graphs, 1, rule="floor")[0]
    assert torch.equal(per_graph(graphs, kept), counts - counts // 20)
    assert int(kept.sum()) > int(rounds(graphs, 1)[0].sum())


def test_the_lowest_scores_of_each_graph_go():
    graphs = wheels(8).graphs
    pruner = EdgePruner(graphs, rule="nominal", pairing="directed")
    scores = torch.rand(graphs.edges.shape[1], generator=torch.Generator().manual_seed(1))
    kept = pruner.prune(everything(graphs), scores, removed=0.3, left=0.7)
    for graph in range(len(graphs)):
        mine = graphs.edge_graphs == graph
        assert scores[mine & kept].min() > scores[mine & ~kept].max()


def test_both_directions_of_an_edge_go_together_by_their_mean_score():
    graphs = wheels(8).graphs
    pruner = EdgePruner(graphs, rule="nominal", pairing="symmetric")
    scores = torch.rand(graphs.edges.shape[1], generator=torch.Generator().manual_seed(1))
    kept = pruner.prune(everything(graphs), scores, removed=0.3, left=0.7)
    left = {tuple(pair) for pair in graphs.edges[:, kept].T.tolist()}
    assert left == {(target, source) for source, target in left}
    means: dict[tuple[int, int], float] = {}
    for (source, target), score in zip(graphs.edges.T.tolist(), scores.tolist(), strict=True):
        pair = (min(source, target), max(source, target))
        means[pair] = means.get(pair, 0.0) + score / 2
    for graph in range(len(graphs)):
        mine = graphs.edges[:, graphs.edge_graphs == graph].T.tolist()
        pairs = {tuple(sorted(pair)) for pair in mine}
        stay = sorted(means[pair] for pair in pairs if pair in left)
        gone = sorted(means[pair] for pair in pairs if pair not in left)
        assert gone[-1] < stay[0]
        assert len(stay) == round(0.7 * len(pairs))


@given(
    st.lists(st.tuples(st.integers(0, 4), st.floats(-3, 3, width=32)), max_size=30),
    st.lists(st.integers(0, 8), min_size=5, max_size=5),
)
def test_the_best_of_each_graph_are_those_that_sorting_gives(elements, wanted):
    elements.sort(key=lambda one: one[0])
    graph = torch.tensor([one[0] for one in elements], dtype=torch.int64)
    scores = torch.tensor([one[1] for one in elements])
    chosen = best_of_each(graph, scores, torch.tensor(wanted))
    for number in range(5):
        mine = [place for place, one in enumerate(elements) if one[0] == number]
        best = sorted(mine, key=lambda place: -elements[place][1])[: wanted[number]]
        assert {place for place in mine if chosen[place]} == set(best)


@pytest.mark.parametrize("pairing", ["directed", "symmetric"])
def test_graphs_without_any_edge_lose_none(pairing):
    graphs = wheels().graphs.keeping(torch.zeros(wheels().graphs.edges.shape[1], dtype=torch.bool))
    pruner = EdgePruner(graphs, rule="nominal", pairing=pairing)
    assert pruner.prune(everything(graphs), torch.empty(0), removed=0.05, left=0.95).shape == (0,)
