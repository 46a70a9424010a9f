"""Images as arrays and as files."""
