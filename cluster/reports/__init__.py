"""reports: the page and the picture of a search, and what all pages and pictures share."""
