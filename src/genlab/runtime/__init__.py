"""What surrounds a run and changes no result: errors, files, progress, signals."""
