import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from secateur.methods.icpg.sources import load_task, plain_name
from wheels import ring, wheels


def tu(root: Path, name: str, *, labels: bool = True, isolated: bool = False) -> None:
    """Write a TU data set of four graphs: rings of 5 to 8 nodes, every second one with spokes."""
    edges, graphs, shift = [], [], 0
    for number, size in enumerate((5, 6, 7, 8)):
        edges += [f"{a + shift + 1}, {b + shift + 1}" for a, b in ring(size, number % 2 == 1).T]
        count = size + isolated
        graphs += [str(number + 1)] * count
        shift += count
    texts = {
        "A": edges,
        "graph_indicator": graphs,
        "graph_labels": ["-1", "1", "-1", "1"],
    }
    if labels:
        texts["node_labels"] = [str(place % 3) for place in range(shift)]
    (root / "tu").mkdir(exist_ok=True)
    with zipfile.ZipFile(root / "tu" / f"{name}.zip", "w") as archive:
        for kind, lines in texts.items():
            archive.writestr(f"{name}/{name}_{kind}.txt", "\n".join(lines) + "\n")


def test_graphs_with_node_labels_see_them_and_degrees(tmp_path):
    tu(tmp_path, "RINGS")
    task = load_task("tu:RINGS", tmp_path)
    assert (len(task.graphs), task.level, task.classes) == (4, "graph", 2)
    assert task.graphs.features.shape == (26, 3 + 1 + 101)
    assert task.graphs.node_ends.tolist() == [0, 5, 11, 18, 26]
    assert task.graphs.labels.tolist() == [0, 1, 0, 1]
    second = task.graphs.batch(torch.tensor([1]))
    found = {tuple(pair) for pair in second.edges.T.tolist()}
    assert found == {tuple(pair) for pair in ring(6, True).T.tolist()}
    assert second.features[0, 3] == 5  # the degree of the node with the spokes
    assert second.features[0, 4 + 5] == 1


def test_missing_features_are_a_constant_and_isolated_nodes_stay(tmp_path):
    tu(tmp_path, "RINGS", labels=False, isolated=True)
    task = load_task("tu:RINGS", tmp_path)
    assert task.graphs.node_ends.tolist() == [0, 6, 13, 21, 30]
    assert (task.graphs.features[:, 0] == 1).all()
    assert task.graphs.features[5, 1] == 0
    assert task.graphs.features[5, 2] == 1


def test_the_compact_form_holds_the_same_graphs(tmp_path):
    graphs = wheels(6).graphs
    bits = []
    for number in range(6):
        batch = graphs.batch(torch.tensor([number]))
        adjacency = np.zeros((len(batch.features),) * 2, dtype=bool)
        adjacency[batch.edges[0], batch.edges[1]] = True
        adjacency[0, 0] = True  # a self-loop, which is left out
        bits.append(adjacency[np.triu_indices(len(adjacency))])
    (tmp_path / "tu").mkdir()
    np.savez(
        tmp_path / "tu" / "COLLAB_compact.npz",
        num_nodes=graphs.node_ends.diff().numpy().astype(np.uint16),
        graph_labels=graphs.labels.numpy().astype(np.uint8),
        upper_triangle_bits=np.packbits(np.concatenate(bits)),
    )
    task = load_task("COLLAB", tmp_path)
    for number in range(6):
        mine, theirs = (one.batch(torch.tensor([number])).edges for one in (task.graphs, graphs))
        assert {tuple(pair) for pair in mine.T.tolist()} == {
            tuple(pair) for pair in theirs.T.tolist()
        }


def test_proteins_of_several_graphs_and_labels_are_told_apart(tmp_path):
    raw = tmp_path / "ppi" / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 3), ("valid", 2), ("test", 2)):
        sizes = [6] * count
        links = [
            {"source": int(a) + 6 * number, "target": int(b) + 6 * number}
            for number in range(count)
            for a, b in ring(6, number == 1).T
        ]
        nodes = sum(sizes)
        graph = {
            "directed": True, "graph": {}, "multigraph": False,
            "nodes": [{"id": place} for place in range(nodes)], "links": links,
        }  # fmt: skip
        (raw / f"{part}_graph.json").write_text(json.dumps(graph))
        draws = np.random.default_rng(0)
        np.save(raw / f"{part}_feats.npy", draws.random((nodes, 5)))
        np.save(raw / f"{part}_labels.npy", draws.integers(0, 2, (nodes, 4)))
        np.save(raw / f"{part}_graph_id.npy", np.repeat(np.arange(1, count + 1), 6))
    task = load_task("PPI", tmp_path)
    assert (task.level, task.multilabel, task.one_graph) == ("node", True, False)
    assert task.graphs.labels.shape == (42, 4)
    split = task.split
    parts = [part.tolist() for part in (split.train, split.validation, split.test)]
    assert parts == [[0, 1, 2], [3, 4], [5, 6]]
    batch, rows = next(task.batches(task.split, "validation", 8))
    assert rows is None
    assert batch.labels.shape == (12, 4)
    assert batch.edges.max() < 12


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MUTGA", "data.name MUTGA is not known: did you mean MUTAG?"),
        ("Cor", "data.name Cor is not known: did you mean Cora?"),
        ("tu:RNIGS", r"there is no .*RNIGS.zip: did you mean RINGS\?"),
        ("planetoid:Corra", r"there is no .*planetoid/Corra/raw"),
        ("no.such:thing", "cannot import 'no.such'"),
        ("pathlib:Path", r"pathlib:Path must return a task .*, got PosixPath"),
    ],
)
def test_what_is_not_there_is_refused_with_the_nearest_name(tmp_path, name, message):
    tu(tmp_path, "RINGS")
    with pytest.raises(ValueError, match=message):
        load_task(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "nodes", "edges", "features", "classes"),
    [("Cora", 2708, 10556, 1433, 7), ("CiteSeer", 3327, 9104, 3703, 6)],
)
def test_planetoid_has_its_published_split(real_data, name, nodes, edges, features, classes):
    task = load_task(name, real_data)
    assert task.graphs.features.shape == (nodes, features)
    assert task.graphs.edges.shape == (2, edges)
    assert task.classes == classes
    assert [len(part) for part in (task.split.validation, task.split.test)] == [500, 1000]
    assert len(task.split.train) == 20 * classes
    torch.testing.assert_close(task.graphs.features.sum(dim=1).max(), torch.tensor(1.0))


def test_a_split_is_drawn_where_none_is_published(real_data):
    once, again = (load_task("Cora_ML", real_data) for _ in range(2))
    parts = [(one.split.train, one.split.validation, one.split.test) for one in (once, again)]
    assert all(torch.equal(*pair) for pair in zip(*parts, strict=True))
    assert [len(part) for part in parts[0]] == [140, 500, 1000]
    assert len(torch.cat(parts[0]).unique()) == 1640
    assert torch.bincount(once.graphs.labels[parts[0][0]]).tolist() == [20] * 7


def test_mutag_is_as_published(real_data):
    graphs = load_task("MUTAG", real_data).graphs
    assert len(graphs) == 188
    assert graphs.edges.shape == (2, 7442)
    assert torch.bincount(graphs.labels).tolist() == [63, 125]


def test_a_name_is_the_same_with_its_collection():
    assert plain_name("tu:MUTAG") == plain_name("MUTAG")
    assert plain_name("mine:MUTAG") != plain_name("MUTAG")
    assert plain_name("citation:CiteSeer") != plain_name("CiteSeer")


def test_all_of_cora_is_read_from_its_raw_file(tmp_path):
    raw = tmp_path / "citation" / "cora" / "raw"
    raw.mkdir(parents=True)
    adjacency = np.zeros((60, 60))
    adjacency[tuple(ring(60, False))] = 1
    parts: dict[str, object] = {"labels": np.arange(60) % 2}
    for name, matrix in (("adj", csr_matrix(adjacency)), ("attr", csr_matrix(np.eye(60)))):
        for kind in ("data", "indices", "indptr", "shape"):
            parts[f"{name}_{kind}"] = getattr(matrix, kind)
    np.savez(raw / "cora.npz", **parts)
    task = load_task("Cora_full", tmp_path)
    assert (task.name, task.classes) == ("Cora_full", 2)
    assert task.graphs.edges.shape == (2, 120)
    assert len(task.split.train) == 40
