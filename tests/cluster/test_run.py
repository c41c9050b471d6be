"""How a run is begun again or opened, from journals that are written by hand."""

import pytest

import secateur
from secateur.cluster.runs.record import METHOD
from secateur.cluster.settings.config import Config
from secateur.cluster.storage.journal import Journal

FACTS = {"config": Config().model_dump(mode="json"), "groups": []}


def test_a_search_does_not_go_on_in_the_folder_of_a_training(tmp_path):
    Journal.create(tmp_path, {**FACTS, METHOD: "clad"}).close()
    with pytest.raises(ValueError, match="holds a training, no search: choose another --run"):
        secateur.launch({}, tmp_path, resume=True)
