"""What all pages share: templates, one look (`look.css`), figures, pictures, numbers as text."""

import base64
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from genlab.pages import plotly

WRITTEN = {"frechet": "Fréchet"} | {
    word.lower(): word for word in ("AUROC", "ELBO", "KL", "MAE", "MSE", "PCA", "PSNR")
}
"""How words in names of metrics are written, if not in small letters."""
GRID_WIDTH = 264
"""Of a grid of images, about, in CSS pixels."""


def environment(folder: Path) -> jinja2.Environment:
    """Returns the templates of a folder and the shared ones; they escape what they are given."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"as_json": plotly.as_json, "readable": readable}
    return environment


def render(folder: Path, name: str, **values: Any) -> str:
    """Returns a template of a folder, filled with these values."""
    return environment(folder).get_template(name).render(**values)


@dataclass(frozen=True)
class Picture:
    """A picture for the page.

    Attributes:
        source: The data URI.
        width: In CSS pixels, a whole multiple of its own where pixels are to stay square.
        height: In CSS pixels.
        crisp: Whether pixels are enlarged as squares; not where it is shown smaller than it is.
        count: The number of images in the grid.
        step: The training step, for growth.
    """

    source: str
    width: int
    height: int
    crisp: bool
    count: int = 0
    step: int = 0


def readable(name: str) -> str:
    """Returns the name of a metric or a loss as words: `"KL of dimension"`."""
    words = name.replace("/", ", ").split("_")
    return " ".join(
        WRITTEN.get(word, word.capitalize() if place == 0 else word)
        for place, word in enumerate(words)
    )


def data_uri(picture: bytes, kind: str = "png") -> str:
    """Returns the bytes of a picture as an address that holds them."""
    return f"data:image/{kind};base64," + base64.b64encode(picture).decode("ascii")


def picture(
    content: bytes, count: int = 0, step: int = 0, width: int = GRID_WIDTH, kind: str = "png"
) -> Picture:
    """Returns a PNG or `jpeg` at the size that it is shown at: about `width` CSS pixels."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        own, height = image.size
    scale = max(1, (width + own // 8) // own)
    crisp = own * scale <= width * 1.25
    shown = own * scale if crisp else width
    return Picture(data_uri(content, kind), shown, round(height * shown / own), crisp, count, step)


def significant(value: float, digits: int = 3) -> str:
    """Returns the value with `digits` significant digits, without an exponent from 1e-6 on."""
    if value == 0 or not 1e-6 <= abs(value) < 10**digits:
        return f"{value:,.0f}" if value == 0 or abs(value) >= 1 else f"{value:.{digits - 1}e}"
    rounded = float(f"{value:.{digits - 1}e}")
    return f"{rounded:,.{max(0, digits - 1 - math.floor(math.log10(abs(rounded))))}f}"


def duration(seconds: float) -> str:
    """Returns a length of time as people say it."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
