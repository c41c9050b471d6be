from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from secateur.methods.icpg.fitting import Recipe, fit
from secateur.methods.icpg.judging import Parts, judge
from secateur.methods.icpg.masker import Masker
from secateur.methods.icpg.networks import GraphClassifier, NodeClassifier
from secateur.methods.icpg.rounds import Kept, Lottery, Plan, Step, scored
from secateur.methods.icpg.task import Split, Task
from secateur.methods.icpg.ugs import fit_masks
from secateur.methods.icpg.weights import matrices, whole
from secateur.methods.tensors.weights import state_of
from wheels import wheels

RECIPE = Recipe(epochs=12, batch=16, learning_rate=0.01, masker_rate=0.01, weight_decay=0.0)
STEPS = {
    "icpg": Step(0.1, 0.2),
    "random": Step(0.1, 0.2, "chance"),
    "weights": Step(0.0, 0.2),
    "edges": Step(0.1, 0.0),
    "ugs": Step(0.1, 0.2, "ugs"),
}


def lottery(task: Task | None = None, variant: str = "icpg", **options) -> Lottery:
    task = task or wheels(lonely=True)
    ins = task.graphs.features.shape[1]
    network = {"graph": GraphClassifier, "node": NodeClassifier}[task.level]
    settings = {"kind": "gcn", "hidden": 8, "layers": 2, "heads": 1, "reading": "concat"}
    return Lottery(
        task,
        task.splits(5, seed=0, selection="honest")[0],
        partial(network, ins, task.classes, **({"hidden": 16, "layers": 2} | options)),
        partial(Masker, ins, **settings, plain=task.level == "node"),
        RECIPE,
        RECIPE,
        Plan((STEPS[variant],) * 2, "nominal", "directed"),
        seed=1,
    )


def one_graph() -> Task:
    """The rings as one graph, its nodes to be told apart by whether theirs has spokes."""
    task = wheels(20)
    graphs = task.graphs
    labels = graphs.labels[graphs.whole.graph]
    nodes, count = len(graphs.features), graphs.edges.shape[1]
    one = replace(
        graphs,
        node_ends=torch.tensor([0, nodes]),
        edge_ends=torch.tensor([0, count]),
        labels=labels,
    )
    order = torch.randperm(nodes, generator=torch.Generator().manual_seed(0))
    return Task("one", "node", one, 2, task.seen, Split(order[:60], order[60:100], order[100:]))


@pytest.fixture(scope="module")
def drawn() -> tuple[Lottery, list[Kept]]:
    """Two rounds."""
    one = lottery()
    first, _ = one.draw(one.begin())
    second, _ = one.draw(first)
    return one, [one.begin(), first, second]


def test_a_dense_network_learns_the_task():
    one = lottery()
    fitted, network = one.play(one.begin())
    assert fitted.test > 0.9
    assert fitted.best_test >= fitted.test
    assert judge(network, Parts(one.task, one.split), ("validation",))[0][1] == fitted.validation
    assert not network.training


def test_shares_are_counted_not_averaged_in_single_precision():
    for count in (3, 24_574_995):
        edges = torch.ones(count, dtype=torch.bool)
        assert Kept(0, {}, edges).edges_gone == 0.0
        edges[0] = False
        assert Kept(1, {}, edges).edges_gone == 1 - (count - 1) / count
    assert Kept(0, {}, torch.ones(0, dtype=torch.bool)).edges_gone == 0.0


def test_each_round_removes_its_share_and_nothing_returns(drawn):
    one, (whole_, first, second) = drawn
    assert [kept.round for kept in (whole_, first, second)] == [0, 1, 2]
    for kept in (first, second):
        assert kept.weights_gone == pytest.approx(1 - 0.8**kept.round, abs=2e-3)
        counts, left = (
            torch.bincount(one.task.graphs.edge_graphs[which], minlength=50)
            for which in (whole_.edges, kept.edges)
        )
        assert torch.equal(left, torch.round(counts.double() * 0.9**kept.round).long())
    assert bool((second.edges <= first.edges).all())
    assert all(bool((second.masks[name] <= first.masks[name]).all()) for name in first.masks)


def test_a_ticket_begins_with_the_first_weights_and_its_zeros_stay(drawn):
    one, (_, _, second) = drawn
    network = one.fresh(one.network)
    start = state_of(network)
    first_weights = {name: start[name].clone() for name in second.masks}
    again = one.fresh(one.network)
    assert all(torch.equal(first_weights[name], state_of(again)[name]) for name in second.masks)
    _, trained = one.play(second)
    for name, weights in matrices(trained).items():
        assert bool((weights[~second.masks[name]] == 0).all())
        assert bool((weights[second.masks[name]] != first_weights[name][second.masks[name]]).any())


def test_every_draw_is_the_same_again(drawn):
    one, (whole_, first, _) = drawn
    again, masker = one.draw(whole_)
    assert torch.equal(again.edges, first.edges)
    assert all(torch.equal(again.masks[name], first.masks[name]) for name in first.masks)
    assert masker is not None
    assert one.play(first)[0] == one.play(again)[0]


def test_chance_draws_the_same_whatever_order_masks_were_read_in():
    one = lottery(variant="random")
    kept, _ = one.draw(one.begin())
    turned = replace(kept, masks=dict(reversed(kept.masks.items())))
    (there, _), (here, _) = one.draw(kept), one.draw(turned)
    assert torch.equal(there.edges, here.edges)
    assert all(torch.equal(there.masks[name], here.masks[name]) for name in there.masks)


def test_the_masker_chooses_the_edges_of_every_part_of_the_data(drawn):
    one, (whole_, first, _) = drawn
    _, masker = one.draw(whole_)
    scores = scored(masker, one.task)
    graph = one.task.graphs.edge_graphs
    for number in one.split.test.tolist():
        mine = graph == number
        gone = mine & ~first.edges
        if gone.any():
            assert scores[gone].max() <= scores[mine & first.edges].min()


@pytest.mark.parametrize(
    ("variant", "edges", "weights"),
    [("random", True, True), ("weights", False, True), ("edges", True, False)],
)
def test_other_variants_remove_what_they_say(variant, edges, weights):
    one = lottery(variant=variant)
    kept, masker = one.draw(one.begin())
    assert (kept.edges_gone > 0.05) == edges
    assert (kept.weights_gone > 0.19) == weights
    assert (masker is not None) == (variant == "edges")


def test_a_round_that_removes_nothing_trains_nothing():
    one = replace(lottery(), soft=replace(RECIPE, learning_rate=1e30))  # or it would diverge
    one = replace(one, plan=Plan((Step(0.0, 0.0),), "nominal", "directed"))
    kept, masker = one.draw(one.begin())
    assert (kept.round, kept.edges_gone, kept.weights_gone, masker) == (1, 0.0, 0.0, None)


@pytest.mark.parametrize("variant", ["icpg", "random", "ugs"])
def test_nodes_of_one_graph_are_told_apart(variant):
    one = lottery(one_graph(), variant, dropout=0.0)
    kept, _ = one.draw(one.begin())
    fitted, _ = one.play(kept)
    assert kept.edges_gone == pytest.approx(0.1, abs=0.01)
    assert kept.weights_gone == pytest.approx(0.2, abs=0.01)
    assert fitted.test > 0.6


def test_masks_that_reach_zero_end_their_training():
    one = replace(lottery(one_graph(), "ugs"), soft=replace(RECIPE, epochs=60, learning_rate=0.1))
    kept, _ = one.draw(one.begin())
    assert kept.edges_gone == pytest.approx(0.1, abs=0.01)


def test_masks_for_each_edge_fit_one_graph_alone():
    one = lottery(variant="ugs")
    with pytest.raises(ValueError, match="UGS learns a mask for every edge of one graph, wheels"):
        one.draw(one.begin())


@pytest.mark.parametrize("kind", ["gin", "gat"])
def test_other_convolutions_draw_tickets_as_well(kind):
    one = lottery(kind=kind, heads=2)
    kept, _ = one.draw(one.begin())
    fitted, _ = one.play(kept)
    assert fitted.test > 0.7


@pytest.mark.parametrize("train", [fit, fit_masks])
def test_a_loss_that_is_not_finite_is_named(train):
    one = lottery(one_graph())
    recipe = replace(RECIPE, learning_rate=1e30)
    network: nn.Module = one.fresh(one.network)
    with pytest.raises(FloatingPointError, match="choose a smaller learning rate"):
        train(network, one.task, one.split, recipe, whole(network), seed=0)


def test_random_numbers_of_others_are_left_alone():
    before = torch.get_rng_state()
    one = lottery()
    one.draw(one.begin())
    assert torch.equal(before, torch.get_rng_state())


def test_several_labels_are_scored_by_f1():
    task = one_graph()
    labels = torch.nn.functional.one_hot(task.graphs.labels, 2)
    task = replace(task, graphs=replace(task.graphs, labels=labels))
    one = lottery(task, dropout=0.0)
    fitted, network = one.play(one.begin())
    with torch.no_grad():
        told = network(task.graphs.features, task.graphs.edges)[one.split.test] > 0
    true = labels[one.split.test] > 0
    expected = 2 * (told & true).sum() / (told.sum() + true.sum())
    assert fitted.test == pytest.approx(float(expected))
