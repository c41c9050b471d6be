"""commands: the command line, and what it prints."""
