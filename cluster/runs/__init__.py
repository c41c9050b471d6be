"""runs: a run from its first candidate to its results - what is asked, answered and judged."""
