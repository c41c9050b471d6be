import sqlite3
import threading

import pytest
import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

from secateur.actors.job import Answer
from secateur.cluster.storage.database import Database, JournalError
from secateur.cluster.storage.journal import Journal
from secateur.cluster.storage.schema import metadata
from secateur.cluster.storage.tenure import Superseded
from secateur.methods.pruning.cost import Cost
from secateur.search.candidate import Candidate, Estimate, Forecast

DENSE = Candidate(0, (16, 32), "dense")
CLIMBED = Candidate(1, (8, 32), "local search", Forecast((0.25, 1.5), (0.9, 1.0)))
COST = Cost(macs=100, params=20, memory_bytes=400)
ERROR = Answer(0, "error", Estimate(0.1, 0.08, 0.12), "evaluator-0", 1.5)
FAILED = Answer(1, "error", "out of memory: 3 GiB", "evaluator-1", 0.5, attempt=2)


def test_what_was_written_is_read_back_by_another_reader(journal, opened):
    journal.sit_down()
    journal.asked(DENSE, COST)
    journal.asked(CLIMBED, COST)
    journal.answered(ERROR)
    journal.answered(FAILED)
    other = opened(journal.folder)
    assert other.candidates() == [(DENSE, COST), (CLIMBED, COST)]
    assert other.answers() == {0: {"error": ERROR}, 1: {"error": FAILED}}
    assert other.fact("groups") == ["a", "b"]
    assert other.elapsed_seconds() > 0
    other.close()


def test_numbers_survive_to_the_last_digit(journal):
    exact = Estimate(0.1 + 0.2, 0.1, 1 / 3)
    journal.answered(Answer(0, "error", exact, "e", 0.0))
    assert journal.answers()[0]["error"].result == exact


def test_a_quantity_is_answered_once(journal):
    journal.answered(ERROR)
    with pytest.raises(ValueError, match="the error of network 0 is known already"):
        journal.answered(ERROR)


def test_a_fact_can_be_changed_and_forgotten(journal):
    journal.note("failed", "no space")
    assert journal.fact("failed") == "no space"
    journal.note("failed", None)
    assert journal.fact("failed", "nothing") == "nothing"


def test_a_journal_of_another_format_is_refused_with_what_to_do(journal, opened):
    journal.note("format", 99)
    with pytest.raises(JournalError, match="format 99, this version reads 3; resume with the"):
        opened(journal.folder)


def test_a_journal_from_before_there_were_entries_is_refused(tmp_path, opened):
    with sqlite3.connect(tmp_path / "journal.db") as old:
        old.execute("create table facts (name text, value text)")
    old.close()
    with pytest.raises(
        JournalError, match="has tables of an earlier version, this version reads 0001"
    ):
        opened(tmp_path)


EDITS = {
    "an answer is changed": "update entries set body = replace(body, '0.12', '0.11')",
    "an entry is lost": "delete from entries where number = 4",
    "two entries are exchanged": (
        "update entries set number = 99 where number = 6;"
        "update entries set number = 6 where number = 7;"
        "update entries set number = 7 where number = 99"
    ),
    "a kind is changed": "update entries set kind = 'noted' where kind = 'answered'",
    "an entry is added": (
        "insert into entries select run, 8, 'noted', '{}', 'abc' from entries limit 1"
    ),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_what_was_edited_by_hand_is_found_out(in_file, edit, opened):
    for number in range(3):
        in_file.asked(Candidate(number, (number,), "initial"), COST)
    in_file.answered(ERROR)
    in_file.answered(FAILED)
    with sqlite3.connect(in_file.folder / "journal.db") as editor:
        editor.executescript(edit)
    editor.close()
    with pytest.raises(JournalError, match="was cut or edited; use a copy that was not, by --on"):
        opened(in_file.folder).answers()


def test_two_readers_of_one_journal_see_what_the_other_writes(journal, opened):
    other = opened(journal.folder)
    journal.asked(DENSE, COST)
    other.answered(ERROR)
    journal.answered(FAILED)
    assert other.answers() == journal.answers() == {0: {"error": ERROR}, 1: {"error": FAILED}}
    other.close()


def test_a_missing_journal_is_named(tmp_path, opened):
    with pytest.raises(ValueError, match="no run in"):
        opened(tmp_path)


def test_a_file_that_is_no_journal_is_refused(tmp_path, opened):
    (tmp_path / "journal.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(JournalError, match="cannot read the journal"):
        opened(tmp_path)


def test_a_journal_cut_short_is_refused(in_file, opened):
    content = (in_file.folder / "journal.db").read_bytes()
    (in_file.folder / "journal.db").write_bytes(content[: len(content) // 3])
    with pytest.raises(JournalError):
        opened(in_file.folder).candidates()


def test_creation_is_whole_or_not_at_all(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.link", full)
    with pytest.raises(OSError, match="No space left"):
        Journal.create(tmp_path, {})
    assert not list(tmp_path.iterdir())


def test_a_run_is_in_a_database_with_its_first_facts_or_not_at_all(tmp_path):
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    Database(url).migrate()
    with sqlite3.connect(tmp_path / "runs.db") as other:
        other.execute(
            "create trigger full before insert on entries when new.number = 1 "
            "begin select raise(abort, 'full'); end"
        )
    other.close()
    with pytest.raises(IntegrityError, match="full"):
        Journal.create(tmp_path, {"seed": 3}, url=url)
    assert Journal.all_in(url) == []


def test_of_two_that_begin_a_run_in_one_folder_one_is_refused(journal, opened):
    elsewhere = Journal.is_elsewhere(journal.folder)
    url = journal._database.address if elsewhere else None
    with pytest.raises(ValueError, match="holds a run already: choose another --run"):
        Journal.create(journal.folder, {"seed": 4}, url=url)
    assert opened(journal.folder).fact("seed") == 3
    assert len(list(journal.folder.iterdir())) == 1
    if url is not None:
        (only,) = Journal.all_in(url)
        only.close()


def test_a_journal_that_cannot_be_written_says_what_is_safe(in_file):
    with sqlite3.connect(in_file.folder / "journal.db") as other:
        other.execute("drop table sittings")
    other.close()
    with pytest.raises(JournalError, match=r"cannot write the journal .*then resume"):
        in_file.sit_down()


def test_a_copy_is_gone_on_with_and_the_journal_left_alone(in_file, tmp_path, opened):
    in_file.asked(DENSE, COST)
    (tmp_path / "copy.db").write_bytes((tmp_path / "journal.db").read_bytes())
    copy = opened(tmp_path, on=f"sqlite:///{tmp_path / 'copy.db'}")
    copy.answered(ERROR)
    assert copy.answers() == {0: {"error": ERROR}}
    assert opened(tmp_path).answers() == {}


def test_runs_on_a_server_do_not_see_each_other(database, tmp_path, opened):
    folders = [tmp_path / name for name in ("one", "other")]
    for seed, folder in enumerate(folders):
        folder.mkdir()
        Journal.create(folder, {"seed": seed}, url=database).close()
    one, other = (opened(folder) for folder in folders)
    one.answered(ERROR)
    assert (one.fact("seed"), other.fact("seed")) == (0, 1)
    assert other.answers() == {}
    found = Journal.all_in(database)
    told = [(each.folder, each.fact("seed")) for each in found]
    found[0].close()
    assert told == [*zip(folders, (0, 1), strict=True)]
    with pytest.raises(ValueError, match=r"holds 2 runs, none of them begun in .*: give"):
        opened(tmp_path, on=database)


@pytest.mark.parametrize(
    "told", ["secateur:geheim@{}", "secateur@{}?password=geheim&application_name=tests"]
)
def test_a_password_is_written_nowhere(database, tmp_path, opened, told):
    scheme, place = database.split("secateur@")
    Journal.create(tmp_path, {}, url=scheme + told.format(place)).close()
    assert opened(tmp_path).fact("format") == 3
    assert all(b"geheim" not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_server_that_comes_back_is_waited_for(server, database, tmp_path, opened):
    journal = Journal.create(tmp_path, {}, url=database)
    server.stop()
    back = threading.Timer(3.0, server.start)
    back.start()
    journal.asked(DENSE, COST)
    back.join()
    journal.close()
    assert opened(tmp_path).candidates() == [(DENSE, COST)]


def test_an_entry_that_was_written_as_its_server_was_lost_is_not_written_twice(journal, opened):
    """The transaction was durable, only the word of it did not come back."""
    again = opened(journal.folder)
    state = again._current()
    journal.asked(DENSE, COST)
    again._current = lambda: state
    again.asked(DENSE, COST)
    assert opened(journal.folder).candidates() == [(DENSE, COST)]
    again._current = lambda: state.__class__(count=3, hash="0" * 64)
    with pytest.raises(Superseded, match="another process has written to"):
        again.asked(CLIMBED, COST)


def test_a_server_that_is_not_there_is_named_at_once(tmp_path):
    with pytest.raises(
        JournalError, match=r"postgresql\+psycopg://a@127.0.0.1:9/x: .*see to the s"
    ):
        Journal.create(tmp_path, {}, url="postgresql+psycopg://a:secret@127.0.0.1:9/x")


def test_a_database_without_rights_is_named(server, tmp_path):
    server.query("create role guest login")
    server.query("revoke create on schema public from public")
    with pytest.raises(JournalError, match="permission denied for schema public; see to the serv"):
        Journal.create(tmp_path, {}, url=server.url("guest"))


@pytest.mark.parametrize("url", ["mongodb://host/x", "no url at all"])
def test_what_is_no_database_is_refused(tmp_path, url):
    with pytest.raises(ValueError, match=r"names no database that can be used .*: give sqlite:///"):
        Journal.create(tmp_path, {}, url=url)


def test_the_migrations_lead_to_the_tables_that_are_used(tmp_path):
    Database.in_file(tmp_path / "migrated.db").migrate()
    migrated, made = (
        sql.create_engine(f"sqlite:///{tmp_path / n}.db") for n in ("migrated", "made")
    )
    metadata.create_all(made)
    shapes = [sql.inspect(engine) for engine in (migrated, made)]
    for table in metadata.tables:
        columns = [
            [(one["name"], str(one["type"]), one["nullable"]) for one in shape.get_columns(table)]
            for shape in shapes
        ]
        assert columns[0] == columns[1]
    migrated.dispose()
    made.dispose()
