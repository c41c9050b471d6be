"""cluster: the outside - configuration, launching, journal, resuming, reports, command line."""
