"""Mathematics on plain arrays, for any metric or model."""
