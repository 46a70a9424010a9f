"""A constant of posteriors that training and evaluation share."""

ACTIVE_VARIANCE = 0.01
"""A latent dimension whose posterior means vary more is active (Burda et al. 2016)."""
