"""plotly.js inside a page that needs nothing from outside: packed, and unpacked when the first figure is looked at."""

import base64
import functools
import gzip
import json
from typing import Any


def source() -> str:
    """Returns plotly.js."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


@functools.cache
def library() -> str:
    """Returns plotly.js, compressed, as base64: `plotly.js` of this folder unpacks it. Equal versions, equal text."""
    return base64.b64encode(gzip.compress(source().encode(), mtime=0)).decode("ascii")


def as_json(values: Any) -> str:
    """Returns values as JSON in which no text can end the script element that holds it."""
    return in_script(json.dumps(values, allow_nan=False, separators=(",", ":"), ensure_ascii=False))


def in_script(text: str) -> str:
    """Returns JSON in which no text can end the script element that holds it."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
