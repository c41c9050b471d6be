"""How a training is begun again, from journals that are written by hand."""

import pytest

import secateur
from secateur.cluster.commands.cli import main
from secateur.cluster.runs.record import METHOD
from secateur.cluster.settings.config import Config
from secateur.cluster.settings.graph_config import check_graph_config, settled
from secateur.cluster.storage.journal import Journal

WHEELS = {"data": {"name": "wheels:task"}}
LAUNCHED = {
    "clad": Config(),
    "icpg": settled(check_graph_config(WHEELS, source="a test"), "graph"),
    None: Config(),
}
GIVEN = {"clad": {}, "icpg": WHEELS}


@pytest.fixture
def folder(tmp_path, request):
    """The folder of a complete training by a method, or of a search."""
    facts = {"config": LAUNCHED[request.param].model_dump(mode="json"), METHOD: request.param}
    Journal.create(tmp_path, facts | {"groups": [], "completed": True}).close()
    return tmp_path


@pytest.mark.parametrize(("folder", "method"), [("clad",) * 2, ("icpg",) * 2], indirect=["folder"])
def test_a_training_goes_on_where_its_folder_holds_it(folder, method):
    found = secateur.train(GIVEN[method], folder, method=method, resume=True)
    assert (found.path, found.method, found.state) == (folder, method, "complete")
    with pytest.raises(ValueError, match="holds a run already"):
        secateur.train(GIVEN[method], folder, method=method)


@pytest.mark.parametrize(
    ("folder", "method", "changes", "told"),
    [
        ("clad", "clad", {"clad": {"target": 0.3}}, r"with clad\.target 0\.5, not 0\.3"),
        ("icpg", "icpg", {"network": {"hidden": 16}}, r"with network\.hidden 128, not 16"),
        ("icpg", "icpg", {"data": {"name": "MUTAG"}}, r"with data\.name 'wheels:task', not"),
        ("icpg", "icpg", {"search": {"seed": 3}}, "with search None, not LotterySearch"),
    ],
    indirect=["folder"],
)
def test_a_training_of_another_configuration_does_not_go_on(folder, method, changes, told):
    with pytest.raises(ValueError, match=told):
        secateur.train(GIVEN[method] | changes, folder, method=method, resume=True)


@pytest.mark.parametrize(
    ("folder", "method", "told"),
    [
        ("icpg", "clad", "holds a training by icpg, not a training by clad: choose another --run"),
        ("clad", "icpg", "holds a training by clad, not a training by icpg: choose another --run"),
        (None, "clad", "holds a search, not a training by clad: choose another --run"),
    ],
    indirect=["folder"],
)
def test_another_kind_of_run_does_not_go_on_as_a_training(folder, method, told):
    with pytest.raises(ValueError, match=told):
        secateur.train(GIVEN[method], folder, method=method, resume=True)


@pytest.mark.parametrize(
    ("folder", "asked", "told"),
    [
        ("clad", ("clad", "--seed", "3"), "finetune.seed 0, not 3"),
        ("icpg", ("icpg", "--set", "data.name=wheels:task", "--workers", "3"), "'auto', not 3"),
    ],
    indirect=["folder"],
)
def test_the_command_goes_on_with_a_training_of_the_same_configuration_alone(
    folder, asked, told, capsys
):
    assert main(["train", *asked, "--run", str(folder)]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert main(["train", *asked, "--run", str(folder), "--resume"]) == 2
    assert told in capsys.readouterr().err
