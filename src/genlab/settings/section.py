"""What all parts of `params.yaml` are."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of `params.yaml`: frozen, no defaults; unknown keys, infinities and NaN refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )
