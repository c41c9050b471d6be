import json

from secateur.methods.measuring.fingerprint import described, fingerprint, identity
from secateur.methods.measuring.target import Target


def test_a_fingerprint_names_processor_runtime_and_use():
    known = fingerprint(Target(threads=2, batch=3))
    assert known["processor"]
    assert known["runtime"].startswith("ONNX Runtime 1.")
    assert (known["provider"], known["threads"], known["batch"]) == ("cpu", 2, 3)
    assert json.loads(json.dumps(known)) == known


def test_what_changes_latencies_makes_another_device():
    usual = identity(fingerprint(Target()))
    assert identity(fingerprint(Target())) == usual
    for other in (Target(threads=2), Target(batch=2), Target(precision="int8")):
        assert identity(fingerprint(other)) != usual


def test_a_governor_makes_no_other_device():
    known = fingerprint(Target())
    assert identity({**known, "governor": "powersave"}) == identity(known)


def test_it_is_said_in_one_line():
    told = described(fingerprint(Target(precision="int8", optimisation="basic")))
    assert "by cpu, threads: 1, batch: 1, int8, graph optimisation basic" in told
    assert described(fingerprint(Target())).endswith("threads: 1, batch: 1")
