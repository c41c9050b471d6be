"""CLAD's examples for GPUs: the way of their data, a step of learning, the cut, a step more."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from secateur.cluster.settings.config import read_config
from secateur.cluster.training.clad import lesson_of, taught_recipe, widths_of
from secateur.methods.clad.cutting import ranking_by
from secateur.methods.clad.learning import Learning
from secateur.methods.data.batches import Batches
from secateur.methods.data.datasets import Dataset, load_dataset
from secateur.methods.data.images import Images
from secateur.methods.data.normalisation import Normalisation
from secateur.methods.models.exported import build
from secateur.methods.pruning.counts import Counts
from secateur.methods.pruning.plan import trace
from secateur.methods.pruning.surgery import Pruner, fit
from secateur.methods.tensors.snapshot import Snapshot
from secateur.methods.training.finetune import finetune

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def imagefolder(tmp_path) -> Dataset:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("one", "two"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(2):
                pixels = rng.integers(0, 256, size=(260, 300, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / name / f"{number}.jpeg")
    return load_dataset("imagefolder", tmp_path)


@pytest.fixture
def cifar10() -> Dataset:
    rng = np.random.default_rng(0)
    images = Images(rng.integers(0, 256, size=(8, 32, 32, 3), dtype=np.uint8), np.arange(8) % 2)
    return Dataset("cifar10", images, images, images, (0.5,) * 3, (0.25,) * 3)


@pytest.mark.parametrize(
    ("name", "data"), [("clad-resnet110", "cifar10"), ("clad-resnet50-imagenet", "imagefolder")]
)
def test_one_step_of_everything(request, name, data):
    config = read_config(EXAMPLES / f"{name}.yaml", {})
    assert config.data.name == data
    dataset = request.getfixturevalue(data)
    torch.manual_seed(0)
    network = build(config.network.factory, config.network.arguments).eval()
    network = network.to(memory_format=torch.channels_last)
    normalisation = Normalisation(dataset.mean, dataset.std)
    plan = trace(network, normalisation(dataset.train[:1]), scope=config.pruning.scope)
    batches = Batches(dataset.train, normalisation, 4, config.finetune.mirror, 0)
    lesson = replace(lesson_of(config), epochs=1)
    learning = Learning(fit(network, {}), plan, fit(network, {}), batches, lesson)
    told = []

    def keep(_: Snapshot, terms: dict[str, float]) -> None:
        told.append(terms)

    learning.train(after_epoch=keep)
    scores = learning.gated.scores
    genome = widths_of(config, network, plan, scores)
    macs = Counts(plan, network).macs(np.array([genome, plan.widths]))
    assert macs[0] / macs[1] == pytest.approx(config.clad.target, abs=0.03)
    pruner = Pruner(fit(network, learning.gated.folded()), plan, (ranking_by(scores),))
    recipe = replace(taught_recipe(config), epochs=1)
    finetune(pruner.cut(genome), network, batches, recipe, after_epoch=keep)
    assert len(told) == 2
    assert all(np.isfinite(list(terms.values())).all() for terms in told)
    assert told[1].keys() == {"cross_entropy", "distillation", "attention"}
