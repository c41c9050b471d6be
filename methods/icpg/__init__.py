"""ICPG: lottery tickets of graph networks - edges and weights that training does without."""
