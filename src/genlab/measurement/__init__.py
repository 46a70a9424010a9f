"""What metrics are given, and what their numbers mean."""
