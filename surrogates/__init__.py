"""surrogates: cheap predictions of an objective, with their uncertainty."""
