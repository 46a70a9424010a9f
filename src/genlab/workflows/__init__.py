"""What a command does that is no stage of the pipeline."""
