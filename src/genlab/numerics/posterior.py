"""What is said of posteriors, in training and in evaluation alike."""

ACTIVE_VARIANCE = 0.01
"""A latent dimension is active where its posterior mean varies more than this (Burda et al. 2016, section 5.2)."""
