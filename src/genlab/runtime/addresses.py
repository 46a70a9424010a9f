"""Addresses of servers, databases and files as people may see them: never with a secret."""

import os
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, unquote

HIDDEN = "***"
SHORT = 4
"""A secret with fewer characters is hidden where it is a word of its own."""
SECRET_NAMES = re.compile(r"(PASSWORD|TOKEN|SECRET)$")
"""Environment variables that are a secret as a whole."""


def shown(address: str) -> str:
    """Returns the address without user, password and query, for messages and files.

    A path stays as it is. Where an unquoted character of a password hides the host's name, only the
    scheme is shown.
    """
    scheme, authority, rest = _parts(address)
    if authority is None:
        return address
    if "@" in rest:
        return f"{scheme}{HIDDEN}"
    path = re.split(r"[?#]", rest, maxsplit=1)[0]
    return f"{scheme}{authority.rpartition('@')[2]}{path}"


def is_clear(address: str) -> bool:
    """Returns whether all programs read the same host: no `@`, `/`, `?` or `#` in a password.

    Of several `@` web addresses take the last one, databases the first.
    """
    scheme, authority, rest = _parts(address)
    if authority is None:
        return True
    return "@" not in rest and (authority.count("@") < 2 or scheme.startswith("http"))


def scrubbed(text: str, *addresses: str) -> str:
    """Returns the text without the secrets of these addresses, and of those in the environment."""
    secrets = {secret for address in (*addresses, *_environment()) for secret in _secrets(address)}
    secrets |= {value for name, value in os.environ.items() if SECRET_NAMES.search(name) and value}
    for secret in sorted(secrets, key=len, reverse=True):
        for form in dict.fromkeys((secret, unquote(secret), quote(unquote(secret), safe=""))):
            pattern = re.escape(form)
            pattern = rf"(?<!\w){pattern}(?!\w)" if len(form) < SHORT else pattern
            text = re.sub(pattern, HIDDEN, text)
    return re.sub(r"\w[\w+.-]*://[^\s'\"]*@[^\s'\"]*", lambda match: shown(match[0]), text)


def _parts(address: str) -> tuple[str, str | None, str]:
    """Returns the scheme with `://`, the authority (None for a path), and what follows it."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        is_forgotten = re.match(r"[^/]*:.*@", address)  # `me:secret@host:5000`
        scheme, rest = "", address
        if not is_forgotten:
            return "", None, address
    if rest.startswith("/") and scheme.partition("+")[0] in ("sqlite", "file"):
        return "", None, address
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    return scheme + separator, authority, rest[len(authority) :]


def _environment() -> Iterator[str]:
    for name, value in os.environ.items():
        if "@" in value and ("://" in value or name.startswith(("MLFLOW_", "GENLAB_"))):
            yield value


def _secrets(address: str) -> Iterator[str]:
    """Yields password, or user where there is none, and the values of the query."""
    _, authority, rest = _parts(address)
    if authority is None:
        return
    for text in {authority, authority + rest}:
        user, _, password = text.rpartition("@")[0].partition(":")
        if secret := password or user:
            yield secret
    values = (value for _, value in parse_qsl(rest.partition("?")[2]))
    yield from (value for value in values if len(value) >= SHORT)
