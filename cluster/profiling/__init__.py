"""profiling: what networks and their layers take on a target."""
