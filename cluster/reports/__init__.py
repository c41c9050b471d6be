"""reports: the page and the picture of a search."""
