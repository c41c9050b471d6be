"""settings: what a run is asked for, checked before anything starts."""
