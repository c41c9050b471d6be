import secateur
from secateur.cluster.runs.record import METHOD
from secateur.cluster.storage.journal import Journal
from secateur.cluster.storage.run_folder import folder_for


def test_workers_find_a_run_from_wherever_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert folder_for("mine", "run") == tmp_path / "run"
    assert folder_for("mine", None).parent == tmp_path / "runs"
    (tmp_path / "run").mkdir()
    Journal.create(tmp_path / "run", {METHOD: "icpg"})
    assert secateur.open_training("run").path == tmp_path / "run"
