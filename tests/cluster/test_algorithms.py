from pathlib import Path
from types import SimpleNamespace

import pytest

from secateur.cluster.algorithms import algorithm
from secateur.cluster.runs.workpiece import Workpiece
from secateur.cluster.settings.checked import ConfigError
from secateur.cluster.settings.config import check_config
from secateur.cluster.warm_start import Earlier
from secateur.methods.data.normalisation import Normalisation
from secateur.methods.models.prunable import Prunable
from secateur.methods.pruning.criteria import rankings
from secateur.methods.tensors.weights import state_of
from secateur.search.algorithm import Search
from secateur.search.candidate import Candidate, Estimate, Evaluation
from secateur.search.hamp import HAMP
from secateur.search.stopping import Patient

NAMES = ("hamp", "nsga2", "optuna-nsga2", "netadapt", "uniform", "random")


@pytest.fixture
def workpiece(tiny):
    """The tiny network as a run would work on it, for any configuration."""

    def made(config) -> Workpiece:
        prunable = Prunable(
            factory="secateur.methods.networks:ResNet",
            arguments={"blocks": 1, "widths": [4, 8], "in_channels": 3, "classes": 5},
            state=state_of(tiny.network),
            plan=tiny.plan,
            rankings=rankings(tiny.network, tiny.plan, config.pruning.criteria),
            normalisation=Normalisation((0.5,) * 3, (0.5,) * 3),
            shape=tiny.shape,
        )
        return Workpiece(config, SimpleNamespace(shape=tiny.shape), prunable, tiny.model, Path())

    return made


def config_of(**search):
    return check_config(
        {
            "objectives": ["error", "macs"],
            "pruning": {"round_to": 1, "minimum": 1},
            "search": search,
        },
        source="test",
    )


def bred(config, workpiece: Workpiece, count: int, taken_over: Earlier) -> list[Candidate]:
    """The first candidates, each committed before the next is bred."""
    named = algorithm(config, workpiece, taken_over)
    search, asked = Search(named, workpiece.space, window=1), list[Candidate]()
    while len(asked) < count and (candidate := search.ask()) is not None:
        asked.append(candidate)
        kept = sum(candidate.genome[:2])
        estimates = (Estimate.exact(1 / kept), Estimate.exact(float(kept)))
        search.tell(Evaluation(candidate, estimates))
    return asked


@pytest.mark.parametrize("name", NAMES)
def test_every_algorithm_begins_with_the_dense_network_and_never_asks_twice(workpiece, name):
    config = config_of(algorithm=name, population=4)
    candidates = bred(config, workpiece(config), 10, Earlier())
    assert candidates[0].genome == (4, 8)
    assert len({candidate.genome for candidate in candidates}) == len(candidates) >= 4


@pytest.mark.parametrize("selection", ["portfolio", "operators", "nsga2"])
def test_hamp_selects_as_it_is_told(workpiece, selection):
    config = config_of(population=4, hamp={"selection": selection})
    assert len(bred(config, workpiece(config), 16, Earlier())) == 16


def test_patience_ends_a_search_that_stands_still(workpiece):
    config = config_of(population=4, patience=3)
    patient = algorithm(config, workpiece(config), Earlier())
    assert isinstance(patient, Patient)
    assert isinstance(algorithm(config_of(), workpiece(config_of()), Earlier()), HAMP)


def test_a_warm_start_begins_with_the_earlier_front(workpiece):
    config = config_of()
    taken_over = Earlier(front=((2, 3), (1, 1)), known={"error": {}})
    candidates = bred(config, workpiece(config), 3, taken_over)
    assert [candidate.genome for candidate in candidates] == [(4, 8), (2, 3), (1, 1)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"constraints": ["macs <= 0.5x"], "search": {"algorithm": "netadapt"}}, "hamp and nsga2"),
        ({"constraints": ["flops <= 0.5x"]}, "must bound one of error, latency_ms"),
        ({"constraints": ["macs < 0.5x"]}, "a constraint looks like"),
        ({"search": {"algorithm": "random", "warm_start": "runs/x"}}, "is for hamp, not for rand"),
        ({"search": {"patience": 0}}, "search.patience"),
        ({"search": {"hours": -1.0}}, "search.hours"),
    ],
)
def test_what_an_algorithm_cannot_do_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        check_config(values, source="test")
