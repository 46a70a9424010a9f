"""What models are made of and computed by."""
