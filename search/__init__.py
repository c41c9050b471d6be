"""search: the evolution - candidates, their space, variation, selection, local search, HAMP."""
