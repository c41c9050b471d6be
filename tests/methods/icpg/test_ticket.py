import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

import secateur
from secateur.methods.icpg.fitting import Recipe
from secateur.methods.icpg.masker import Masker
from secateur.methods.icpg.networks import GraphClassifier
from secateur.methods.icpg.rounds import Lottery, Plan, Step
from secateur.methods.icpg.ticket import Drawing, Ticket, save
from secateur.methods.models.exported import load as load_network
from secateur.methods.tensors.weights import state_of
from wheels import ring, wheels

TASK = wheels(lonely=True)
INS = TASK.graphs.features.shape[1]
MASKER = {
    "ins": INS, "kind": "gcn", "hidden": 8, "layers": 2, "heads": 1, "reading": "concat",
    "plain": False,
}  # fmt: skip
ARGUMENTS = {"ins": INS, "classes": 2, "hidden": 16, "layers": 2}


@pytest.fixture(scope="module")
def drawing() -> tuple[Lottery, Drawing]:
    """A ticket of two rounds that prune hard, so that units die."""
    recipe = Recipe(12, 16, 0.01, 0.01, 0.0)
    lottery = Lottery(
        TASK,
        TASK.splits(5, seed=0, selection="honest")[0],
        partial(GraphClassifier, **ARGUMENTS),
        partial(Masker, **MASKER),
        recipe,
        recipe,
        Plan((Step(0.1, 0.7),) * 2, "nominal", "directed"),
        seed=1,
    )
    kept, maskers = lottery.begin(), {}
    for number in (1, 2):
        kept, masker = lottery.draw(kept)
        maskers[number] = masker.state_dict()
    _, network = lottery.play(kept)
    factory = "secateur.methods.icpg.networks:GraphClassifier"
    return lottery, Drawing(
        factory, ARGUMENTS, state_of(network), kept, maskers, MASKER, lottery.plan, TASK.seen
    )


@pytest.fixture(scope="module")
def folder(drawing, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("tickets") / "deepest"
    save(path, drawing[1], {"score": 0.5})
    return path


def published() -> list[Data]:
    """The graphs as a data set holds them: without features, edges in numbers of their own."""
    graphs = TASK.graphs
    return [
        Data(
            edge_index=graphs.batch(torch.tensor([number])).edges,
            y=graphs.labels[number : number + 1],
            num_nodes=int(graphs.node_ends[number + 1] - graphs.node_ends[number]),
        )
        for number in range(len(graphs))
    ]


def test_a_loaded_ticket_sees_and_answers_as_the_drawn_one(drawing, folder):
    lottery, drawn = drawing
    network, transform = secateur.load(folder)
    thin = [transform(one) for one in published()]
    left = TASK.graphs.keeping(drawn.kept.edges)
    for number, one in enumerate(thin):
        mine = left.batch(torch.tensor([number]))
        assert {tuple(pair) for pair in one.edge_index.T.tolist()} == {
            tuple(pair) for pair in mine.edges.T.tolist()
        }
    whole = next(iter(DataLoader(thin, len(thin))))
    dense = lottery.network()
    dense.load_state_dict(drawn.state, strict=False)
    every = left.whole
    with torch.no_grad():
        torch.testing.assert_close(
            network(whole.x, whole.edge_index, batch=whole.batch),
            dense.eval()(every.features, every.edges, batch=every.graph),
        )


def test_it_is_physically_smaller_and_says_so(drawing, folder):
    network, transform = secateur.load(folder)
    card = json.loads((folder / "model.json").read_text())
    held = sum(tensor.numel() for tensor in state_of(network).values())
    assert card["params"] == held < card["dense_params"]
    assert network.nodes.linear.weight.shape[1] == len(transform.inputs) < INS
    assert card["ticket"]["weights_gone"] == drawing[1].kept.weights_gone
    assert card["score"] == 0.5


def test_new_graphs_lose_the_nominal_share_too(folder):
    _, transform = secateur.load(folder)
    data = Data(edge_index=ring(23, True), num_nodes=23, edge_attr=torch.ones(86, 3))
    before = data.edge_index.clone()
    thin = transform(data)
    assert thin.edge_index.shape[1] == round(86 * 0.81)
    assert "edge_attr" not in thin
    assert torch.equal(data.edge_index, before)


def test_self_loops_and_missing_edges_do_no_harm(folder):
    network, transform = secateur.load(folder)
    loops = torch.arange(3).repeat(2, 1)
    thin = transform(Data(edge_index=loops, num_nodes=3))
    assert thin.edge_index.shape == (2, 0)
    with torch.no_grad():
        assert network(thin.x, thin.edge_index, batch=torch.zeros(3).long()).isfinite().all()


def test_a_graph_of_another_data_set_is_refused(folder):
    _, transform = secateur.load(folder)
    with pytest.raises(ValueError, match=r"the ticket's graphs have 9 features, this one has 12"):
        transform(Data(x=torch.ones(5, 4), edge_index=ring(5, False)))


def test_a_ticket_is_no_network_of_images(folder):
    with pytest.raises(ValueError, match="holds a ticket of a graph network"):
        load_network(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "maskers.safetensors"])
def test_a_damaged_file_is_named(drawing, tmp_path, name):
    save(tmp_path / "ticket", drawing[1], {})
    (tmp_path / "ticket" / name).write_bytes(b"no tensors")
    with pytest.raises(ValueError, match=f"cannot read .*{name}"):
        secateur.load(tmp_path / "ticket")


def test_a_network_that_does_not_tell_its_units_is_handed_out_as_it_is(drawing, tmp_path):
    _, drawn = drawing
    other = replace(drawn, factory="test_ticket_network:Wrapped")
    (tmp_path / "test_ticket_network.py").write_text(
        "from secateur.methods.icpg.networks import GraphClassifier\n"
        "class Wrapped(GraphClassifier):\n"
        "    units = None\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        save(tmp_path / "ticket", other, {})
        ticket = secateur.load(tmp_path / "ticket")
    assert isinstance(ticket, Ticket)
    held = state_of(ticket.network)
    assert all(torch.equal(held[name], tensor) for name, tensor in drawn.state.items())
