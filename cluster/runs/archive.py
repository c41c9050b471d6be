"""Archive: what a search has measured, as one number to compare runs by."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from ...search.candidate import Candidate


def archive_hash(entries: Sequence[tuple[Candidate, Mapping[str, float] | None]]) -> str:
    """SHA-256 of the canonical JSON of committed candidates with their objectives, in order.

    A failed candidate's objectives are null.
    """
    canonical = [
        {
            "number": candidate.number,
            "genome": list(candidate.genome),
            "objectives": None if objectives is None else dict(objectives),
        }
        for candidate, objectives in entries
    ]
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
