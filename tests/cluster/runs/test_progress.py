from io import StringIO

from rich.console import Console

from secateur.cluster.runs.coordinator import Progress
from secateur.cluster.runs.progress import Lines, Live, described, watching
from secateur.search.candidate import Candidate, Estimate, Evaluation, Failure

OBJECTIVES = ("error", "latency_ms", "memory_bytes")
CANDIDATE = Candidate(4, (8, 8), "variation")
DONE = Evaluation(
    CANDIDATE, (Estimate(0.0712, 0.06, 0.08), Estimate.exact(1.25), Estimate.exact(2048))
)


def written(console: Console) -> list[str]:
    return console.file.getvalue().splitlines()


def test_an_outcome_is_told_with_units():
    text = described(Progress(5, 60, DONE), OBJECTIVES)
    assert text == "#4 (variation) error 7.12 %, latency 1.250 ms, memory 2.000 KiB"


def test_a_failure_is_told_with_its_reason():
    text = described(Progress(5, 60, Failure(CANDIDATE, "error: out of memory")), OBJECTIVES)
    assert text == "#4 failed: error: out of memory"


def test_a_pipe_gets_a_line_a_phase_and_few_on_the_search():
    console = Console(file=StringIO(), width=200)
    with watching(console, OBJECTIVES) as watcher:
        assert isinstance(watcher, Lines)
        watcher.say("starting Ray")
        for answered in range(1, 61):
            watcher.evaluated(Progress(answered, 60, DONE))
    lines = written(console)
    assert lines[0] == "starting Ray"
    assert lines[-1].startswith("60/60 evaluated; #4 (variation) error 7.12 %")
    assert len(lines) < 10


def test_a_pipe_gets_every_phase_and_few_of_its_steps():
    console = Console(file=StringIO(), width=200)
    with watching(console, OBJECTIVES) as watcher:
        for phase in ("learning", "fine-tuning"):
            watcher.say(phase)
            for epoch in range(1, 61):
                watcher.step(f"{phase}, epoch {epoch}")
    lines = written(console)
    assert lines[0] == "learning"
    assert "fine-tuning" in lines
    assert len(lines) < 10


def test_a_terminal_gets_a_bar():
    console = Console(file=StringIO(), force_terminal=True, width=160)
    with watching(console, OBJECTIVES) as watcher:
        assert isinstance(watcher, Live)
        watcher.step("loading, the first part")
        watcher.say("starting Ray")
        watcher.evaluated(Progress(30, 60, DONE))
    assert "30/60" in console.file.getvalue()
