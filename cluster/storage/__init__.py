"""storage: what is kept - the journal, its tables and its one writer, files written whole."""
