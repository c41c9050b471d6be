import subprocess
import sys

import pytest

from secateur.cluster.lock import RunBusy, held, is_held

HOLD = """
import sys, time
from pathlib import Path
from secateur.cluster.lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_is_held_while_its_holder_works(tmp_path):
    assert not is_held(tmp_path)
    with held(tmp_path):
        assert is_held(tmp_path)
    assert not is_held(tmp_path)


def test_a_second_holder_is_refused(tmp_path):
    with held(tmp_path), pytest.raises(RunBusy, match="being worked on by another process"):
        held(tmp_path).__enter__()


def test_a_killed_process_holds_no_lock(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    assert is_held(tmp_path)
    process.kill()
    process.wait()
    process.stdout.close()
    assert not is_held(tmp_path)


def test_looking_at_a_lock_does_not_take_it(tmp_path):
    with held(tmp_path):
        pass
    assert not is_held(tmp_path)
    with held(tmp_path):
        assert is_held(tmp_path)
        assert is_held(tmp_path)
