"""Stage `report`: the pages of the trained models, beside their runs."""

from genlab.report import run

__all__ = ["run"]
