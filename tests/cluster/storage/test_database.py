import gc
import os

import pytest

from secateur.cluster.storage.database import Database
from secateur.cluster.storage.journal import Journal


def test_what_nobody_looks_at_any_more_is_let_go_of(in_file):
    def look() -> None:
        Journal.open(in_file.folder).candidates()

    look()
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        look()
    gc.collect()
    assert len(os.listdir("/dev/fd")) <= before


@pytest.mark.parametrize("name", ["what?", "100%20", "a#b"])
def test_a_folder_may_have_any_name(tmp_path, name, opened):
    (folder := tmp_path / name).mkdir()
    Journal.create(folder, {"seed": 3}).close()
    assert [path.name for path in folder.iterdir()] == ["journal.db"]
    assert opened(folder).fact("seed") == 3


def test_a_file_that_is_not_there_or_empty_holds_no_runs_and_stays_so(tmp_path):
    (tmp_path / "empty.db").touch()
    for name in ("typo.db", "empty.db"):
        with pytest.raises(ValueError, match=rf"{name} holds no runs: give the URL that"):
            Journal.all_in(f"sqlite:///{tmp_path / name}")
    assert [path.name for path in tmp_path.iterdir()] == ["empty.db"]
    assert (tmp_path / "empty.db").stat().st_size == 0


def test_a_server_without_tables_holds_no_runs(database):
    with pytest.raises(ValueError, match="holds no runs"):
        Database(database).require_current()
