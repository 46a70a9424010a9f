"""What all figures share: colours, and a figure as the page hands it to plotly.js.

Colours are written as in CSS, `var(--ink)` and `light-dark(#332288, #9a8fd0)`; the page's script
replaces them by those of the reader's colour scheme, and sets the look of axes and letters.
"""

import colorsys
from dataclasses import dataclass
from typing import Any

ACCENTS = "#0072b2 #d55e00 #009e73 #aa4499 #b8860b #4f5d75 #56b4e9 #882255"
"""Of the models, after Okabe and Ito."""
CLASSES = "#332288 #117733 #88ccee #882255 #ddaa33 #44aa99 #cc6677 #999933 #aa4499 #777777"
GREY, INK, SOFT = "#9a9a96", "var(--ink)", "var(--soft)"


@dataclass(frozen=True)
class Figure:
    """A figure that plotly.js draws.

    Attributes:
        title: What it shows.
        text: The same for readers who do not see it.
        data: The traces.
        layout: What differs from the page's own.
        note: What one must know to read it; may be empty.
        height: In CSS pixels.
    """

    title: str
    text: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    note: str = ""
    height: int = 280

    def drawing(self) -> dict[str, Any]:
        """Returns what plotly.js is given."""
        return {"data": self.data, "layout": self.layout}


def axis(title: str = "", **changes: Any) -> dict[str, Any]:
    """Returns an axis."""
    return {"title": {"text": title}, **changes}


def accent(index: int) -> str:
    """Returns the colour of the model at this place of the page."""
    return _cyclic(ACCENTS, index)


def class_colour(label: int) -> str:
    """Returns the colour of a class; grey for images without one."""
    if label < 0:
        return GREY
    colour = _cyclic(CLASSES, label)
    return f"light-dark({colour}, {_on_dark(colour)})"


def short(values: Any) -> list[float]:
    """Returns numbers with four significant digits, for the page to stay small."""
    return [float(f"{value:.4g}") for value in values]


def _cyclic(colours: str, index: int) -> str:
    return colours.split()[index % len(colours.split())]


def _on_dark(colour: str) -> str:
    """Returns a colour of the same hue that can be told from dark paper."""
    rgb = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(*rgb)
    light = colorsys.hls_to_rgb(hue, max(1 - lightness, 0.6), saturation)
    return "#" + "".join(f"{round(part * 255):02x}" for part in light)
