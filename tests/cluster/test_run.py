"""How a run is begun again or opened, from journals that are written by hand."""

import shutil

import pytest

import secateur
from secateur.cluster.commands.cli import main
from secateur.cluster.runs.record import METHOD
from secateur.cluster.settings.config import Config
from secateur.cluster.storage.artifacts import ELSEWHERE
from secateur.cluster.storage.journal import Journal

FACTS = {"config": Config().model_dump(mode="json"), "groups": []}


def test_a_search_does_not_go_on_in_the_folder_of_a_training(tmp_path):
    Journal.create(tmp_path, {**FACTS, METHOD: "clad"}).close()
    with pytest.raises(ValueError, match="holds a training, no search: choose another --run"):
        secateur.launch({}, tmp_path, resume=True)


def test_a_search_goes_on_with_the_newest_run_of_a_lost_folder_that_the_database_has(tmp_path):
    folder, url = tmp_path / "run", f"sqlite:///{tmp_path / 'runs.db'}"
    for seed in (3, 4):
        folder.mkdir()
        config = Config().model_dump(mode="json") | {"search": {"seed": seed}}
        Journal.create(folder, {**FACTS, "config": config}, url=url).close()
        shutil.rmtree(folder)
    with pytest.raises(ValueError, match=r"holds a run with search\.seed 4, not 0"):
        secateur.launch({}, folder, journal=url, resume=True)
    assert secateur.open_run(folder, on=url).config.search.seed == 4
    assert not Journal.is_begun(folder, f"sqlite:///{tmp_path / 'none.db'}")


def test_a_lost_folder_leads_to_its_journal_again_once_it_is_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (folder := tmp_path / "run").mkdir()
    url = "sqlite:///runs.db"
    Journal.create(folder, {**FACTS, "completed": True}, url=url).close()
    shutil.rmtree(folder)
    assert main(["resume", str(folder), "--on", url]) == 0
    monkeypatch.chdir("/")
    assert secateur.open_run(folder).state == "complete"


def test_a_folder_for_artifacts_is_the_same_from_wherever_it_is_named(tmp_path, monkeypatch):
    (folder := tmp_path / "run").mkdir()
    facts = {**FACTS, "completed": True, ELSEWHERE: str(tmp_path / "copies")}
    Journal.create(folder, facts).close()
    monkeypatch.chdir(tmp_path)
    assert secateur.launch({}, folder, artifacts="copies", resume=True).state == "complete"
