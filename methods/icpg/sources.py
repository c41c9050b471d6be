"""Sources: graph data sets by name, read by PyTorch Geometric's own classes or from a folder.

With a data root nothing is downloaded: TU data sets are `tu/NAME.zip` in it (or the compact form
`tu/NAME_compact.npz`), Planetoid's and CitationFull's the raw files `planetoid/NAME/raw` and
`citation/NAME/raw`, and PPI's `ppi/raw`. Planetoid's raw files are pickles by their nature.
"""

import contextlib
import difflib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.datasets import PPI, CitationFull, Planetoid, TUDataset

from ..import_path import resolve
from .features import Features
from .graphs import Graphs, ends
from .task import Split, Task

TU = (
    "MUTAG", "PROTEINS", "NCI1", "NCI109", "IMDB-BINARY", "IMDB-MULTI", "DD", "Mutagenicity",
    "REDDIT-BINARY", "REDDIT-MULTI-5K", "COLLAB", "ENZYMES", "PTC_MR", "AIDS",
)  # fmt: skip
"""Those that are known by their name alone; any other one of the collection as `tu:NAME`."""
PLANETOID = ("Cora", "CiteSeer", "PubMed")
CITATION = ("Cora_ML", "DBLP", "Cora_full")
NAMES = {"tu": TU, "planetoid": PLANETOID, "citation": CITATION, "ppi": ("PPI",)}
"""What is known by its name alone, by what may stand before it with a colon."""
CORA_FULL = "cora"
"""PyTorch Geometric's name of Cora_full, and of its folder."""

FEW_DEGREES, DEGREES = 10, 100
"""Where one-hot degrees are capped: lower for the data sets of large graphs."""
LARGE = ("DD", "REDDIT-BINARY", "REDDIT-MULTI-5K")


def plain_name(name: str) -> str:
    """Return the shortest name of a data set: MUTAG for tu:MUTAG."""
    kind, _, own = name.rpartition(":")
    return own if own in NAMES.get(kind, ()) else name


def load_task(name: str, root: Path | None) -> Task:
    """Load a data set by its name, or a task from an import path.

    ValueError where there is none of the name, or where it cannot be learned from.
    """
    kind, _, own = name.rpartition(":")
    loaders: dict[str, Callable[[str, Path | None], Task]] = {
        "tu": _tu, "planetoid": _planetoid, "citation": _citation, "ppi": _ppi
    }  # fmt: skip
    for prefix, load in loaders.items():
        if kind == prefix or (not kind and own in NAMES[prefix]):
            return load(own, root)
    if kind:
        task = resolve(name)(root)
        if not isinstance(task, Task):
            raise ValueError(
                f"{name} must return a task (secateur.methods.icpg.task.Task), got "
                f"{type(task).__name__}"
            )
        return task
    known = [one for names in NAMES.values() for one in names]
    near = difflib.get_close_matches(own, known, n=1, cutoff=0.0)[0]
    raise ValueError(
        f"data.name {name} is not known: did you mean {near}? There are {', '.join(known)}, any "
        "other TU data set as tu:NAME, and import paths"
    )


def _tu(name: str, root: Path | None) -> Task:
    cap = FEW_DEGREES if name in LARGE else DEGREES
    compact = None if root is None else root / "tu" / f"{name}_compact.npz"
    if compact is not None and compact.is_file():
        return graph_task(name, *_compact(compact), cap)
    if root is None:
        with _safely():
            data = TUDataset(str(_cache() / "tu"), name, use_node_attr=True)
        return graph_task(name, *_collated(data), cap)
    archive = root / "tu" / f"{name}.zip"
    if not archive.is_file():
        there = sorted(path.name.removesuffix(".zip") for path in (root / "tu").glob("*.zip"))
        raise _absent(archive, name, there)

    class Local(TUDataset):  # type: ignore[misc]
        url = f"file://{archive.parent.absolute()}"

    with tempfile.TemporaryDirectory() as folder, _safely():
        return graph_task(name, *_collated(Local(folder, name, use_node_attr=True)), cap)


def graph_task(
    name: str,
    features: Tensor | None,
    edges: Tensor,
    nodes: Tensor,
    labels: Tensor,
    cap: int = DEGREES,
) -> Task:
    """Make a task of graphs that are given end to end; their features are joined by degrees.

    Takes known features (nodes, any) or None, edges (2, edges) in numbers that go through all
    nodes, how many nodes each graph has, and the graphs' labels.
    """
    node_ends = ends(nodes)
    edges, edge_ends = _in_order(edges, node_ends)
    seen = Features("degrees", cap)
    graphs = Graphs(seen(features, edges, int(node_ends[-1])), edges, node_ends, edge_ends, labels)
    return Task(name, "graph", graphs, int(labels.max()) + 1, seen, None)


def _in_order(edges: Tensor, node_ends: Tensor) -> tuple[Tensor, Tensor]:
    """The edges without self-loops, graph by graph, and where each graph's end."""
    edges = edges[:, edges[0] != edges[1]]
    graph = torch.bucketize(edges[0], node_ends[1:], right=True)
    counts = torch.bincount(graph, minlength=len(node_ends) - 1)
    return edges[:, torch.argsort(graph, stable=True)], ends(counts)


def _collated(data: InMemoryDataset) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
    """What a data set holds of all graphs, end to end: features, edges, nodes a graph, labels."""
    whole, parts = data._data, data.slices
    edge_ends = parts["edge_index"]
    nodes = parts["x"].diff() if "x" in parts else torch.tensor([one.num_nodes for one in data])
    shifts = torch.repeat_interleave(ends(nodes)[:-1], edge_ends.diff())
    return whole.x, whole.edge_index + shifts, nodes, whole.y


def _compact(path: Path) -> tuple[None, Tensor, Tensor, Tensor]:
    """Graphs as the bits of their upper triangles, row by row, diagonal included."""
    with np.load(path) as held:  # arrays alone: pickles are refused
        nodes, labels = held["num_nodes"].astype(np.int64), held["graph_labels"].astype(np.int64)
        bits = np.unpackbits(held["upper_triangle_bits"])
    parts, first, shift = [], 0, 0
    for count in nodes.tolist():
        length = count * (count + 1) // 2
        places = np.flatnonzero(bits[first : first + length])
        rows, columns = np.triu_indices(count)
        pair = np.stack([rows[places], columns[places]]) + shift
        parts.append(np.concatenate([pair, pair[::-1]], axis=1))
        first, shift = first + length, shift + count
    edges = torch.from_numpy(np.concatenate(parts, axis=1))
    return None, edges, torch.from_numpy(nodes), torch.from_numpy(labels)


def _planetoid(name: str, root: Path | None) -> Task:
    with _raw(root, "planetoid", name) as folder, _safely():
        data = Planetoid(str(folder), name)[0]
    split = Split(*(mask.nonzero().squeeze(1) for mask in _masks(data)))
    return node_task(name, data, split)


def _citation(name: str, root: Path | None) -> Task:
    """CitationFull has no split: as for Planetoid, 20 nodes a class, 500, and 1000 are drawn."""
    theirs = CORA_FULL if name == "Cora_full" else name.lower()
    with _raw(root, "citation", theirs) as folder, _safely():
        data = CitationFull(str(folder), theirs)[0]
    draws = torch.Generator().manual_seed(0)
    order = torch.randperm(data.num_nodes, generator=draws)
    labels = data.y[order]
    first = torch.cat([order[labels == label][:20] for label in labels.unique()])
    rest = order[~torch.isin(order, first)]
    return node_task(name, data, Split(first, rest[:500], rest[500:1500]))


def _ppi(name: str, root: Path | None) -> Task:
    parts = []
    with _raw(root, "ppi", "") as folder, _safely():
        for part in ("train", "val", "test"):
            parts.append(PPI(str(folder), part))
    sizes = [len(part) for part in parts]
    features, edges, nodes, labels = (list(one) for one in zip(*map(_collated, parts), strict=True))
    shifts = [0, *np.cumsum([len(one) for one in features])[:-1].tolist()]
    node_ends = ends(torch.cat(nodes))
    shifted = torch.cat([one + shift for one, shift in zip(edges, shifts, strict=True)], dim=1)
    all_edges, edge_ends = _in_order(shifted, node_ends)
    graphs = Graphs(torch.cat(features), all_edges, node_ends, edge_ends, torch.cat(labels))
    numbers = torch.split(torch.arange(sum(sizes)), sizes)
    return Task(name, "node", graphs, graphs.labels.shape[1], Features("given"), Split(*numbers))


def node_task(name: str, data: Data, split: Split) -> Task:
    """Make a task of one graph whose nodes are told apart."""
    edges = data.edge_index[:, data.edge_index[0] != data.edge_index[1]]
    seen = Features("degrees", DEGREES) if data.x is None else Features("rows")
    graphs = Graphs(
        seen(data.x, edges, data.num_nodes),
        edges,
        torch.tensor([0, data.num_nodes]),
        torch.tensor([0, edges.shape[1]]),
        data.y,
    )
    return Task(name, "node", graphs, int(data.y.max()) + 1, seen, split)


def _masks(data: Any) -> tuple[Tensor, Tensor, Tensor]:
    return data.train_mask, data.val_mask, data.test_mask


@contextmanager
def _raw(root: Path | None, collection: str, name: str) -> Iterator[Path]:
    """A folder in which PyTorch Geometric finds the raw files, or downloads them to."""
    if root is None:
        yield _cache() / collection
        return
    held = root / collection / name
    if not (held / "raw").is_dir():
        there = sorted(path.name for path in (root / collection).glob("*"))
        raise _absent(held / "raw", name, there)
    with tempfile.TemporaryDirectory() as folder:  # it writes beside them, and pickles
        shutil.copytree(held / "raw", Path(folder) / name / "raw")
        yield Path(folder)


def _absent(path: Path, name: str, there: list[str]) -> ValueError:
    """What is wrong where a path is not there, with the nearest of the names that are."""
    near = difflib.get_close_matches(name, there, n=1, cutoff=0.0)
    return ValueError(f"there is no {path}" + (f": did you mean {near[0]}?" if near else ""))


def _cache() -> Path:
    """Where downloads are kept."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "secateur" / "graphs"


@contextmanager
def _safely() -> Iterator[None]:
    """Let torch refuse what would run code, also where PyTorch Geometric would load it.

    What it says of its progress is for nobody.
    """
    before = os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        if before is None:
            del os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"]
        else:
            os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = before
