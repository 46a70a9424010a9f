"""What params.yaml says: typed sections, overlays, look-up by file name, seeds."""
