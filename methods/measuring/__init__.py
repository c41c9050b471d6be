"""measuring: what a graph takes on a target - time, memory, energy."""
