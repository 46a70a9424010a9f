"""The `genlab` command. Nothing heavy is imported before a subcommand runs.

group     what all subcommands share: errors in one line, signals
stages    one subcommand per stage of dvc.yaml
models    what one does with a trained model afterwards
pictures  scores of pictures from any project
registry  which trained model serves; export
tuning    the search for better settings
"""

from genlab.cli import group, models, pictures, registry, stages, tuning
from genlab.cli.group import main

__all__ = ["group", "main", "models", "pictures", "registry", "stages", "tuning"]
