"""The section `features` of `params.yaml`: which judges there are, and how they are trained."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from genlab.settings.section import Section

Architecture = Literal["convolutional", "strided", "residual", "patches", "dense"]
Filters = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


class FeatureRecipe(Section):
    """How one judge is trained; the first pinned ones do not name their architecture."""

    architecture: Architecture = "convolutional"
    feature_dim: int = Field(ge=2)
    filters: Filters
    learning_rate: float = Field(gt=0)
    batch_size: int = Field(ge=1)
    steps: int = Field(ge=1)


class Roles(Section):
    """By role the filters of each architecture; None where the panel has no such judge."""

    selection: dict[Architecture, Filters | None]
    reporting: dict[Architecture, Filters | None]

    @model_validator(mode="after")
    def _check(self) -> "Roles":
        for role, judges in self:
            if not any(judges.values()):
                raise ValueError(f"{role} must have a judge")
        return self


class Features(Section):
    """The panel of judges on whose features distances are measured: pinned, or trained."""

    extractor: str
    judges: Roles
    feature_dim: int = Field(ge=2)
    learning_rate: float = Field(gt=0)
    batch_size: int = Field(ge=1)
    steps: int = Field(ge=1)

    def recipe(self, architecture: Architecture, filters: tuple[int, ...]) -> FeatureRecipe:
        """Returns how a judge of this architecture is trained."""
        shared = self.model_dump(exclude={"extractor", "judges"})
        return FeatureRecipe(architecture=architecture, filters=filters, **shared)
