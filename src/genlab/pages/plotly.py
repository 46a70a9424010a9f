"""plotly.js inside a page that needs nothing from outside: packed until a figure is looked at."""

import base64
import functools
import gzip
import json
from typing import Any

from markupsafe import Markup


def source() -> str:
    """Returns plotly.js."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


@functools.cache
def library() -> str:
    """Returns plotly.js as gzip in base64, which `plotly.js` of this folder unpacks."""
    return base64.b64encode(gzip.compress(source().encode(), mtime=0)).decode("ascii")


def as_json(values: Any) -> Markup:
    """Returns values as JSON in which no text can end the script element that holds it."""
    text = json.dumps(values, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return Markup(in_script(text))  # noqa: S704 - escaped as JSON


def in_script(text: str) -> str:
    """Returns JSON in which no text can end the script element that holds it."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
