"""Racing: latencies that decide who is on the front are measured again, at another time.

Intervals know what a measurement saw; a second one, minutes later, has met other neighbours and
another clock. Candidates that cannot be told apart are raced against each other, and nobody else:
a second reading of what is dominated anyway would be spent in vain. The rule is ours.
"""

from ...actors.job import Job, Quantity, again
from .coordinator import Measuring
from .readings import is_foretold
from .record import Record


def race(run: Record, measuring: Measuring) -> int:
    """Measure until the front rests on two readings wherever one does not tell; return how many.

    Nothing on the front is a prediction after that, unless it cannot be measured. Where only what
    is handed out is looked at in the end (`search.final`), no prediction is left there.
    """
    count = 0
    while missing := _undecided(run):
        for job in missing:
            measuring.submit(job)
        for _ in missing:
            run.journal.answered(measuring.next_answer())
        count += len(missing)
    return count


def _undecided(run: Record) -> list[Job]:
    """What to measure again: the contested and the foretold, but for what has been already."""
    results, known = run.results(), run.journal.answers()
    which = run.config.search.final
    contested = {member.id: member for member in results.contested} if which == "front" else {}

    def asks(number: int, name: Quantity) -> bool:
        if number == results.dense.id or again(name) in known[number]:
            return False
        return number in contested or is_foretold(known[number], name)

    members = contested | {member.id: member for member in results.looked_at(which)}
    return [
        Job(member.id, member.genome, again(name), run.config.node_of(name))
        for member in members.values()
        for name in run.config.latencies
        if asks(member.id, name)
    ]
