"""Workpiece: what a run works on - the data, the trained dense network, its plan and its graph."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from ...methods.data.datasets import Dataset, load_dataset
from ...methods.data.normalisation import Normalisation
from ...methods.models.exported import build
from ...methods.models.exported import tensors as as_file
from ...methods.models.prunable import Prunable
from ...methods.networks import initialised
from ...methods.pruning.certificate import verify_graph, verify_plan
from ...methods.pruning.cost_model import CostModel
from ...methods.pruning.criteria import FROM_WEIGHTS, Ranking, Rankings, rankings
from ...methods.pruning.onnx_graph import OnnxTemplate, export
from ...methods.pruning.plan import Plan, trace
from ...methods.pruning.surgery import Pruner
from ...methods.pruning.taylor import Calibration
from ...methods.tensors.weights import assign, read_weights, state_of
from ...methods.training.from_scratch import train
from ...search.space import LayerGroup, Space
from ..settings.checked import ConfigError
from ..settings.config import Config, Pruning, run_that_learned
from ..storage.whole_file import write_whole
from .learned import learned_ranking

DENSE_WEIGHTS, DENSE_ONNX, RANKINGS = "dense.safetensors", "dense.onnx", "rankings.safetensors"
WORKPIECE = (DENSE_WEIGHTS, DENSE_ONNX, RANKINGS)
"""The files in a run's folder that it cannot go on without."""


@dataclass(frozen=True)
class Workpiece:
    """Everything about the network that a run needs, ready to be measured."""

    config: Config
    dataset: Dataset
    prunable: Prunable
    dense_onnx: bytes
    directory: Path  # of the run

    @cached_property
    def pruner(self) -> Pruner:
        """The dense network in this process, and its cuts."""
        return self.prunable.pruner(threads=self.config.workers.threads)

    @cached_property
    def template(self) -> OnnxTemplate:
        """The ONNX graph that candidates' tensors fill."""
        return OnnxTemplate(self.dense_onnx)

    @cached_property
    def space(self) -> Space:
        """The genomes that the search may try."""
        return space_of(self.config.pruning, self.prunable.plan)

    @cached_property
    def cost(self) -> CostModel:
        """Counts MACs, parameters and memory."""
        batch = self.config.latency.batch
        return CostModel.of(self.pruner, self.template, shape=self.dataset.shape, batch=batch)


def space_of(pruning: Pruning, plan: Plan) -> Space:
    """Return the widths that the groups of a plan may have, and the criteria to choose from."""
    groups = (
        LayerGroup(
            group.name,
            group.width,
            min(-(-pruning.minimum // group.unit), group.width),
            -(-pruning.round_to // group.unit),
        )
        for group in plan.groups
    )
    return Space(tuple(groups), criteria=len(pruning.criteria))


def load_data(config: Config) -> Dataset:
    """Load the data set of a configuration."""
    root = Path(config.data.root).expanduser() if config.data.root else None
    if root and not root.is_dir():
        raise ConfigError(f"data.root: no folder at {root}; give the folder that holds the data")
    return load_dataset(config.data.name, root)


def load_network(config: Config, directory: Path | None) -> tuple[nn.Module, bool]:
    """Build the dense network; tell whether it holds its weights or must be trained first.

    The weights are the copy that the run in `directory` keeps, if there is one.
    """
    network = build(config.network.factory, config.network.arguments)
    if directory and (directory / DENSE_WEIGHTS).is_file():
        return assign(network, read_weights(directory / DENSE_WEIGHTS)).eval(), True
    if config.network.weights is None:
        return initialised(network, config.network.training.seed).eval(), False
    return assign(network, read_weights(_weights_path(config))).eval(), True


def plan_network(config: Config, network: nn.Module, dataset: Dataset) -> Plan:
    """Trace the network and prove on real images that its groups can be cut exactly."""
    inputs = _normalisation(dataset)(dataset.train[:8])
    plan = trace(network, inputs[:1], ignore=config.pruning.ignore, scope=config.pruning.scope)
    sure = [name for name in config.pruning.criteria if name in FROM_WEIGHTS] or ["l2"]
    verify_plan(Pruner(network, plan, rankings(network, plan, sure)), inputs)
    return plan


def require_learned(config: Config, plan: Plan) -> None:
    """Refuse criteria that no run has learned, or that are another network's."""
    for run in filter(None, map(run_that_learned, config.pruning.criteria)):
        learned_ranking(run, plan)


def finish_workpiece(
    config: Config,
    directory: Path,
    dataset: Dataset,
    network: nn.Module,
    plan: Plan,
    *,
    trained: bool,
    say: Callable[[str], None],
) -> Workpiece:
    """Train where that is needed, export once, and keep both with the run."""
    torch.set_num_threads(config.workers.threads)
    if not trained:
        _train(config, dataset, network, say)
        plan = plan_network(config, network, dataset)  # proven again, on the weights that count
    if not (directory / DENSE_WEIGHTS).is_file():
        write_whole(directory / DENSE_WEIGHTS, as_file(state_of(network)))
    if not (directory / DENSE_ONNX).is_file():
        say("exporting the dense network to ONNX")
        inputs = _normalisation(dataset)(dataset.train[:8])
        model = export(network, inputs[:1])
        verify_graph(Pruner.by("l2", network, plan), OnnxTemplate(model), inputs)
        write_whole(directory / DENSE_ONNX, model)
    prunable = Prunable(
        factory=config.network.factory,
        arguments=config.network.arguments,
        state=state_of(network),
        plan=plan,
        rankings=_rankings(config, directory, dataset, network, plan),
        normalisation=_normalisation(dataset),
        shape=dataset.shape,
    )
    dense_onnx = (directory / DENSE_ONNX).read_bytes()
    return Workpiece(config, dataset, prunable, dense_onnx, directory)


def open_workpiece(config: Config, directory: Path, say: Callable[[str], None]) -> Workpiece:
    """Bring back the workpiece of an existing run; what was trained is not trained again."""
    dataset = load_data(config)
    network, trained = load_network(config, directory)
    plan = plan_network(config, network, dataset)
    return finish_workpiece(config, directory, dataset, network, plan, trained=trained, say=say)


def _rankings(
    config: Config, directory: Path, dataset: Dataset, network: nn.Module, plan: Plan
) -> Rankings:
    """Rank the channels, once a run: its later sittings read what the first one has found."""
    criteria, path = config.pruning.criteria, directory / RANKINGS
    groups = range(len(plan.groups))
    if not path.is_file():
        images = dataset.train[: config.data.recalibration_images]
        calibration = Calibration(_normalisation(dataset)(images), torch.from_numpy(images.labels))

        def ranking(criterion: str) -> Ranking:
            if (run := run_that_learned(criterion)) is not None:
                return learned_ranking(run, plan)
            return rankings(network, plan, [criterion], calibration)[0]

        found = [ranking(criterion) for criterion in criteria]
        tensors = {
            f"{name}.{group}": torch.from_numpy(ranking[group])
            for name, ranking in zip(criteria, found, strict=True)
            for group in groups
        }
        write_whole(path, as_file(tensors))
    ranks = read_weights(path)
    return tuple(tuple(ranks[f"{name}.{group}"].numpy() for group in groups) for name in criteria)


def _train(
    config: Config, dataset: Dataset, network: nn.Module, say: Callable[[str], None]
) -> None:
    epochs = config.network.training.epochs
    train(
        network,
        _normalisation(dataset)(dataset.train[:]).contiguous(),
        torch.from_numpy(dataset.train.labels),
        epochs=epochs,
        seed=config.network.training.seed,
        progress=lambda epoch: say(f"training the dense network, epoch {epoch} of {epochs}"),
    )


def _weights_path(config: Config) -> Path:
    """Where the weights are: as given, or below the data root."""
    given = Path(config.network.weights or "").expanduser()
    root = Path(config.data.root).expanduser() if config.data.root else None
    candidates = [given] if given.is_absolute() or root is None else [root / given, given]
    for path in candidates:
        if path.is_file():
            return path
    raise ConfigError(
        f"network.weights: no file at {' or '.join(map(str, candidates))}; give the folder that "
        "holds it by --data-root, or leave network.weights out to train the network first"
    )


def _normalisation(dataset: Dataset) -> Normalisation:
    return Normalisation(dataset.mean, dataset.std)
