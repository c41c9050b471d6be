import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from secateur.actors.job import Answer
from secateur.cluster.journal import Journal
from secateur.cluster.tenure import HOLD_SECONDS, RunBusy, Superseded
from secateur.methods.cost import Cost
from secateur.search.candidate import Candidate, Estimate

DENSE, COST = Candidate(0, (16, 32), "dense"), Cost(macs=100, params=20, memory_bytes=400)
ERROR = Answer(0, "error", Estimate(0.1, 0.08, 0.12), "evaluator-0", 1.5)
FAILED = Answer(1, "error", "out of memory: 3 GiB", "evaluator-1", 0.5, attempt=2)

HOLD = """
import sys, time
from pathlib import Path
from secateur.cluster.journal import Journal
with Journal.open(Path(sys.argv[1])).held():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def journal(tmp_path):
    made = Journal.create(tmp_path / "journal.db", {})
    yield made
    made.close()


@pytest.fixture
def holder(journal):
    """Another process that holds the journal."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(journal.path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_journal_is_held_while_its_holder_works(journal):
    assert not journal.is_held
    with journal.held():
        assert journal.is_held
        assert Journal.open(journal.path).is_held
    assert not journal.is_held


def test_a_second_holder_is_refused_and_told_of_the_first(journal, holder):
    told = f"being worked on by another process, {holder.pid} on .*: wait for it or stop it"
    with pytest.raises(RunBusy, match=told), journal.held():
        pass
    with journal_of_this_process(journal) as other, pytest.raises(Superseded, match="stopped wr"):
        other.note("completed", True)


@contextmanager
def journal_of_this_process(journal: Journal):
    """Another reader of the same journal, closed at the end."""
    other = Journal.open(journal.path)
    yield other
    other.close()


def test_a_killed_holder_is_replaced_at_once(journal, holder):
    assert journal.is_held
    holder.kill()
    holder.wait()
    assert not journal.is_held
    with journal.held():
        journal.asked(DENSE, COST)


def test_an_earlier_process_of_the_same_number_holds_nothing(journal, monkeypatch):
    with journal.held():
        monkeypatch.setattr("secateur.cluster.tenure._PROCESS", "another")
        assert not journal.is_held


def test_a_holder_on_another_machine_is_waited_for(journal, monkeypatch):
    with journal.held():
        monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
        with journal_of_this_process(journal) as other:
            with pytest.raises(RunBusy, match=r"lost, try again in \d+ s"), other.held():
                pass
            later = time.time() + HOLD_SECONDS + 1
            monkeypatch.setattr("time.time", lambda: later)
            with other.held():
                other.asked(DENSE, COST)


def test_who_was_replaced_cannot_write_any_more(journal, monkeypatch):
    """As a process does that stood still for longer than its hold, and then goes on."""
    with journal.held():
        journal.asked(DENSE, COST)
        with journal_of_this_process(journal) as other:
            monkeypatch.setattr("secateur.cluster.tenure._PROCESS", "another")
            with other.held():
                with pytest.raises(Superseded, match="by now: this one has stopped writing"):
                    journal.answered(ERROR)
                other.answered(FAILED)
            assert other.answers() == {1: {"error": FAILED}}
    assert not journal.is_held


def test_a_holder_is_heard_of_while_it_writes_nothing(journal, monkeypatch):
    monkeypatch.setattr("secateur.cluster.tenure.HOLD_SECONDS", 0.6)
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
