"""models: trained networks as things - named, sent, judged, written to folders and read."""
