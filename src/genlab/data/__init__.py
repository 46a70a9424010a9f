"""How images come onto the disk: downloads, splits, and what valid images are."""
