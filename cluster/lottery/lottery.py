"""Lottery: what a configuration of ICPG means - graphs, units of work, networks, maskers."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from ...methods.icpg.fitting import Recipe
from ...methods.icpg.masker import Masker
from ...methods.icpg.rounds import Chooser, Lottery, Plan, Step
from ...methods.icpg.sources import load_task
from ...methods.icpg.task import Split, Task
from ...methods.import_path import resolve
from ..settings.graph_config import GraphConfig
from .rounds import DENSE, Unit, removed_of

NETWORKS = {
    "graph": "secateur.methods.icpg.networks:GraphClassifier",
    "node": "secateur.methods.icpg.networks:NodeClassifier",
}

CHOOSERS: dict[str, Chooser] = {"random": "chance", "ugs": "ugs"}
"""Who chooses in a variant, where it is not a masker."""


def units_of(config: GraphConfig) -> list[Unit]:
    """What there is to do, in the order in which workers take it: dense networks first."""
    settings = config.icpg
    folds = range(_folds(config))
    return [
        Unit(seed, fold, variant)
        for variant in (DENSE, *settings.variants)
        for seed in settings.seeds
        for fold in folds
    ]


def _folds(config: GraphConfig) -> int:
    return config.icpg.use or config.icpg.folds


def task_of(config: GraphConfig) -> Task:
    """Load the graphs."""
    return load_task(config.data.name, Path(config.data.root) if config.data.root else None)


def splits_of(config: GraphConfig, task: Task) -> list[Split]:
    """The splits that are run."""
    settings = config.icpg
    return task.splits(settings.folds, seed=0, selection=settings.selection)[: _folds(config)]


def network_of(config: GraphConfig, task: Task) -> Callable[[], nn.Module]:
    """What makes the dense network, with the weights that chance gives it."""
    return partial(_made, *factory_of(config, task))


def _made(factory: str, arguments: dict[str, Any]) -> nn.Module:
    network: nn.Module = resolve(factory)(**arguments)
    return network


def factory_of(config: GraphConfig, task: Task) -> tuple[str, dict[str, Any]]:
    """The dense network's factory and arguments."""
    settings = config.network
    sizes = {"ins": task.graphs.features.shape[1], "classes": task.classes}
    if settings.factory is not None:
        named = {
            name: sizes[value] if isinstance(value, str) and value in sizes else value
            for name, value in settings.arguments.items()
        }
        named_alone = named != settings.arguments
        return settings.factory, named if named_alone else sizes | named
    own = settings.model_dump(exclude={"factory", "arguments"}, exclude_none=True)
    return NETWORKS[task.level], sizes | own | settings.arguments


def masker_of(config: GraphConfig, task: Task) -> Callable[[], Masker]:
    """What makes a masker, with the weights that chance gives it."""
    return partial(Masker, **masker_arguments(config, task))


def masker_arguments(config: GraphConfig, task: Task) -> dict[str, Any]:
    """The masker's arguments."""
    own = config.masker.model_dump(exclude={"learning_rate"})
    plain = task.level == "node"
    return {"ins": task.graphs.features.shape[1], "plain": plain, **own}


def lottery_of(config: GraphConfig, task: Task, split: Split, unit: Unit, plan: Plan) -> Lottery:
    """The lottery of one unit."""
    training = config.training
    assert training.epochs
    assert training.learning_rate
    assert config.masker.learning_rate
    recipe = Recipe(
        training.epochs,
        training.batch,
        training.learning_rate,
        config.masker.learning_rate,
        training.weight_decay or 0.0,
    )
    return Lottery(
        task,
        split,
        network_of(config, task),
        masker_of(config, task),
        recipe,
        recipe,
        plan,
        seed=1000 * unit.seed + unit.fold,
    )


def plan_of(config: GraphConfig, variant: str) -> Plan:
    """What a variant's rounds remove."""
    settings = config.icpg
    edges, weights = removed_of(settings, variant)
    step = Step(edges, weights, CHOOSERS.get(variant, "masker"))
    return Plan((step,) * settings.rounds, settings.rule, settings.pairing)
