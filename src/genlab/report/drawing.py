"""What all figures share: colours, style, and a chart as a PNG data URI.

Figures are drawn on white; in a dark colour scheme the page inverts their lightness.
"""

import colorsys
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from genlab.pages import data_uri

ACCENTS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#aa4499",
    "#b8860b",
    "#4f5d75",
    "#56b4e9",
    "#882255",
)  # after Okabe and Ito
CLASSES = (
    "#332288",
    "#117733",
    "#88ccee",
    "#882255",
    "#ddaa33",
    "#44aa99",
    "#cc6677",
    "#999933",
    "#aa4499",
    "#777777",
)
GREY, INK = "#9a9a96", "#33332f"
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": "#c9c8c2",
    "axes.labelcolor": "#5a5a55",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "grid.color": "#ecebe6",
    "grid.linewidth": 0.8,
    "xtick.color": "#c9c8c2",
    "ytick.color": "#c9c8c2",
    "xtick.labelcolor": "#5a5a55",
    "ytick.labelcolor": "#5a5a55",
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.borderaxespad": 0.2,
}


@dataclass(frozen=True)
class Chart:
    """A drawn figure.

    Attributes:
        source: The data URI of a PNG at twice the size that it is shown at.
        title: What it shows.
        text: The same for those who do not see it.
        width: Width in CSS pixels.
        height: Height in CSS pixels.
        note: What one must know to read it, or nothing.
    """

    source: str
    title: str
    text: str
    width: int
    height: int
    note: str = ""


def accent(index: int) -> str:
    """Returns the colour of the model at this place of the page."""
    return ACCENTS[index % len(ACCENTS)]


def class_colour(label: int) -> str:
    """Returns the colour of a class; grey where there is none."""
    return GREY if label < 0 else CLASSES[label % len(CLASSES)]


def on_dark(colour: str) -> str:
    """Returns a colour of the same hue that can be told from dark paper."""
    hue, lightness, saturation = colorsys.rgb_to_hls(
        *(int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    )
    parts = colorsys.hls_to_rgb(hue, max(1 - lightness, 0.6), saturation)
    return "#" + "".join(f"{round(part * 255):02x}" for part in parts)


def draw(paint: Callable[[Figure], None], width: float, height: float) -> dict[str, Any]:
    """Returns what a chart has of a figure: its source and its size in CSS pixels, given in hundreds."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=200, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        paint(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return {
        "source": data_uri(buffer.getvalue()),
        "width": round(width * 100),
        "height": round(height * 100),
    }


def class_labels(names: list[str], count: int) -> list[str]:
    """Returns a label per class that the figures' font can draw: the name, or the number where it cannot."""
    glyphs = get_font(findfont("DejaVu Sans"))
    labels = []
    for index in range(count):
        name = str(names[index]) if index < len(names) else str(index)
        labels.append(
            name if all(glyphs.get_char_index(ord(sign)) for sign in name) else str(index)
        )
    return labels
