"""How data sets come onto the disk: splits, derived inputs, and what valid images are."""
