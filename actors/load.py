"""Load: what one role has to do and who does it, at one moment."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """Jobs and workers of one role now, and what has befallen its leases since the beginning."""

    queued: int  # jobs that wait for a worker
    hired: int  # workers, also those that have no place yet or load
    ready: int  # of them, those that can measure
    busy: int  # of them, those that do
    lost: int  # leases whose worker died, hung or was too slow
    hedged: int  # attempts at jobs that were slow elsewhere
    disagreements: int  # answers that contradict the first
