"""lottery: tickets of graph networks by a job of Ray Train, from the folds to the page."""
