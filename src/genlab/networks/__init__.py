"""What models are made of, and what they compute on."""
