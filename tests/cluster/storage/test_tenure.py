import subprocess
import sys
import time

import pytest

from secateur.actors.job import Answer
from secateur.cluster.storage.journal import Journal
from secateur.cluster.storage.tenure import RunBusy, Superseded
from secateur.methods.pruning.cost import Cost
from secateur.search.candidate import Candidate, Estimate

DENSE, COST = Candidate(0, (16, 32), "dense"), Cost(macs=100, params=20, memory_bytes=400)
ERROR = Answer(0, "error", Estimate(0.1, 0.08, 0.12), "evaluator-0", 1.5)
FAILED = Answer(1, "error", "out of memory: 3 GiB", "evaluator-1", 0.5, attempt=2)

HOLD = """
import sys, time
from pathlib import Path
from secateur.cluster.storage.journal import Journal
journal = Journal.open(Path(sys.argv[1]))
with journal.held():
    journal.note("groups", ["held"])
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(journal):
    """Another process that holds the journal."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(journal.folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_journal_is_held_while_its_holder_works(journal, opened):
    assert not journal.is_held
    with journal.held():
        assert journal.is_held
        assert opened(journal.folder).is_held
    assert not journal.is_held


def test_a_second_holder_is_refused_and_told_of_the_first(journal, holder, opened):
    told = f"being worked on by another process, {holder.pid} on .*: wait for it or stop it"
    with pytest.raises(RunBusy, match=told), journal.held():
        pass
    with pytest.raises(Superseded, match="stopped writing"):
        opened(journal.folder).note("completed", True)


def test_a_killed_holder_is_replaced_at_once(journal, holder):
    assert journal.is_held
    holder.kill()
    holder.wait()
    assert not journal.is_held
    with journal.held():
        journal.asked(DENSE, COST)


def test_an_earlier_process_of_the_same_number_holds_nothing(journal, monkeypatch):
    with journal.held():
        monkeypatch.setattr("secateur.cluster.storage.tenure._PROCESS", "another")
        assert not journal.is_held


def test_a_holder_on_another_machine_is_waited_for(journal, monkeypatch, opened):
    monkeypatch.setattr("secateur.cluster.storage.tenure.HOLD_SECONDS", 1.5)
    monkeypatch.setattr(Journal, "_prolong", lambda *_: None)  # it is not heard of any more
    with journal.held():
        monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
        other = opened(journal.folder)
        with (
            pytest.raises(RunBusy, match="if that machine is lost, try again in 2 s"),
            other.held(),
        ):
            pass
        time.sleep(1.6)
        with other.held():
            other.asked(DENSE, COST)


def test_who_was_replaced_cannot_write_any_more(journal, monkeypatch, opened):
    """As a process does that stood still for longer than its hold, and then goes on."""
    with journal.held():
        journal.asked(DENSE, COST)
        other = opened(journal.folder)
        monkeypatch.setattr("secateur.cluster.storage.tenure._PROCESS", "another")
        with other.held():
            with pytest.raises(Superseded, match="by now: this one has stopped writing"):
                journal.answered(ERROR)
            other.answered(FAILED)
        assert other.answers() == {1: {"error": FAILED}}
    assert not journal.is_held


def test_a_holder_is_heard_of_while_it_writes_nothing(journal, monkeypatch):
    monkeypatch.setattr("secateur.cluster.storage.tenure.HOLD_SECONDS", 0.6)
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    with journal.held():
        monkeypatch.setattr("socket.gethostname", lambda: "here")
        time.sleep(1.5)
        assert journal.is_held


def test_time_counts_while_the_run_is_held(journal):
    with journal.held():
        journal.sit_down()
        time.sleep(0.2)
        journal.asked(DENSE, COST)
    assert 0.2 <= journal.elapsed_seconds() < 60


def test_a_run_that_nobody_works_on_is_a_single_file(in_file):
    with in_file.held():
        in_file.asked(DENSE, COST)
        assert (in_file.folder / "journal.db-wal").exists()
    assert [path.name for path in in_file.folder.iterdir()] == ["journal.db"]


def test_what_a_killed_holder_wrote_is_there_for_the_next(journal, holder):
    holder.kill()
    holder.wait()
    assert journal.fact("groups") == ["held"]
    with journal.held():
        journal.note("groups", ["a"])
    assert not list(journal.folder.glob("*-wal"))
