import os

from secateur.cluster.storage.whole_file import write_whole


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_the_call_returns(
    tmp_path, monkeypatch
):
    told = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr("os.fsync", lambda file: (told.append("sync"), sync(file)))
    monkeypatch.setattr("os.replace", lambda *paths: (told.append("replace"), replace(*paths)))
    assert write_whole(tmp_path / "file", b"whole").read_bytes() == b"whole"
    assert told == ["sync", "replace", "sync"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
