"""The `genlab` command. Nothing heavy is imported before a subcommand runs.

group     what all subcommands share: errors in one line, signals, options
stages    one subcommand per stage of dvc.yaml; check
models    what to do with a trained model; what waits for MLflow
pictures  scores of images from any project
registry  which trained model serves; export
tuning    the search for better settings
doctor    the check of the environment
"""

from genlab.cli import group, stages, models, pictures, registry, tuning, doctor  # isort: skip - the order of the help
from genlab.cli.group import main

__all__ = ["doctor", "group", "main", "models", "pictures", "registry", "stages", "tuning"]
