"""exports: networks handed out, with their certificates."""
