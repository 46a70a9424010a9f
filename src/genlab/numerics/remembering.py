"""Results that are asked for again: by several metrics, judges and sets of images."""

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from genlab.imaging.arrays import digest

Function = TypeVar("Function", bound=Callable[..., Any])


def remembered(number: int) -> Callable[[Function], Function]:
    """Returns a decorator that remembers a function's last results, read-only.

    Arrays among the arguments count by their content. The function returns an array or several.
    """

    def decorate(function: Function) -> Function:
        results: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

        @functools.wraps(function)
        def remember(*arguments: Any) -> Any:
            key = tuple(digest(one) if isinstance(one, np.ndarray) else one for one in arguments)
            if key not in results:
                results[key] = function(*arguments)
                for array in _arrays(results[key]):
                    array.flags.writeable = False
            results.move_to_end(key)
            if len(results) > number:
                results.popitem(last=False)
            return results[key]

        return remember  # type: ignore[return-value]

    return decorate


def _arrays(result: Any) -> tuple[np.ndarray, ...]:
    return result if isinstance(result, tuple) else (result,)
