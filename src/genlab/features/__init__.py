"""What distances are measured on: networks of fixed weights, and the features that they give."""
