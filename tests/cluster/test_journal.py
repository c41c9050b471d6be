import sqlite3

import pytest

from secateur.actors.job import Answer
from secateur.cluster.journal import Journal, JournalError
from secateur.methods.cost import Cost
from secateur.search.candidate import Candidate, Estimate, Forecast

DENSE = Candidate(0, (16, 32), "dense")
CLIMBED = Candidate(1, (8, 32), "local search", Forecast((0.25, 1.5), (0.9, 1.0)))
COST = Cost(macs=100, params=20, memory_bytes=400)
ERROR = Answer(0, "error", Estimate(0.1, 0.08, 0.12), "evaluator-0", 1.5)
FAILED = Answer(1, "error", "out of memory: 3 GiB", "evaluator-1", 0.5, attempt=2)


@pytest.fixture
def journal(tmp_path):
    made = Journal.create(tmp_path / "journal.db", {"seed": 3, "groups": ["a", "b"]})
    yield made
    made.close()


def test_what_was_written_is_read_back_by_another_reader(journal):
    journal.sit_down()
    journal.asked(DENSE, COST)
    journal.asked(CLIMBED, COST)
    journal.answered(ERROR)
    journal.answered(FAILED)
    other = Journal.open(journal.path)
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


def test_a_journal_of_another_format_is_refused_with_what_to_do(journal):
    journal.note("format", 99)
    with pytest.raises(JournalError, match="format 99, this version reads 3; resume with the"):
        Journal.open(journal.path)


def test_a_journal_from_before_there_were_entries_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "journal.db") as old:
        old.execute("create table facts (name text, value text)")
    old.close()
    with pytest.raises(JournalError, match="format 2 or less, this version reads 3"):
        Journal.open(tmp_path / "journal.db")


EDITS = {
    "an answer is changed": "update entries set body = replace(body, '0.12', '0.11')",
    "an entry is lost": "delete from entries where number = 4",
    "two entries are exchanged": (
        "update entries set number = 99 where number = 6;"
        "update entries set number = 6 where number = 7;"
        "update entries set number = 7 where number = 99"
    ),
    "a kind is changed": "update entries set kind = 'noted' where kind = 'answered'",
    "an entry is added": "insert into entries values (8, 'noted', '{}', 'abc')",
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_what_was_edited_by_hand_is_found_out(journal, edit):
    for number in range(3):
        journal.asked(Candidate(number, (number,), "initial"), COST)
    journal.answered(ERROR)
    journal.answered(FAILED)
    with sqlite3.connect(journal.path) as editor:
        editor.executescript(edit)
    editor.close()
    with pytest.raises(JournalError, match="was cut or edited; put a copy in its place that was"):
        Journal.open(journal.path).answers()


def test_two_readers_of_one_journal_see_what_the_other_writes(journal):
    other = Journal.open(journal.path)
    journal.asked(DENSE, COST)
    other.answered(ERROR)
    journal.answered(FAILED)
    assert other.answers() == journal.answers() == {0: {"error": ERROR}, 1: {"error": FAILED}}
    other.close()


def test_a_missing_journal_is_named(tmp_path):
    with pytest.raises(ValueError, match="no run in"):
        Journal.open(tmp_path / "journal.db")


def test_a_file_that_is_no_journal_is_refused(tmp_path):
    (tmp_path / "journal.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(JournalError, match="cannot read the journal"):
        Journal.open(tmp_path / "journal.db")


def test_a_journal_cut_short_is_refused(journal):
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[: len(content) // 3])
    with pytest.raises(JournalError):
        Journal.open(journal.path).candidates()


def test_creation_is_whole_or_not_at_all(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        Journal.create(tmp_path / "journal.db", {})
    assert not (tmp_path / "journal.db").exists()


def test_a_journal_that_cannot_be_written_says_what_is_safe(journal):
    with sqlite3.connect(journal.path) as other:
        other.execute("drop table tenure")
    other.close()
    with pytest.raises(JournalError, match=r"cannot write the journal .*then resume"):
        journal.answered(ERROR)
