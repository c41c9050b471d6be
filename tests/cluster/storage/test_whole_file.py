import os

import pytest

from secateur.cluster.storage.whole_file import publish, write_whole


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


@pytest.mark.parametrize("has_links", [True, False])
def test_what_is_published_first_stays(tmp_path, monkeypatch, has_links):
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr("os.link", refuse)
    for name in ("first", "second"):
        (tmp_path / name).write_text(name)
    publish(tmp_path / "first", tmp_path / "file")
    with pytest.raises(FileExistsError):
        publish(tmp_path / "second", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
