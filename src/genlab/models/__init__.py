"""The models, one chapter each."""
