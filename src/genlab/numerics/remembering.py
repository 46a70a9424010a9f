"""Results that are asked for again: by several metrics, judges and sets of images."""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import numpy as np

from genlab.imaging.arrays import digest

Function = TypeVar("Function", bound=Callable[..., Any])


def remembered(number: int) -> Callable[[Function], Function]:
    """Returns a decorator that remembers a function's last results, read-only.

    Arrays among the arguments count by their content. The function returns an array or several.
    Of several threads that ask for the same, one computes.
    """

    def decorate(function: Function) -> Function:
        results: OrderedDict[tuple[Any, ...], Future[Any]] = OrderedDict()
        guard = threading.Lock()

        @functools.wraps(function)
        def remember(*arguments: Any) -> Any:
            key = tuple(digest(one) if isinstance(one, np.ndarray) else one for one in arguments)
            with guard:
                is_first = key not in results
                result = results.setdefault(key, Future())
                results.move_to_end(key)
                if len(results) > number:
                    results.popitem(last=False)
            if is_first:
                try:
                    result.set_result(_read_only(function(*arguments)))
                except BaseException as error:
                    result.set_exception(error)
                    with guard:
                        results.pop(key, None)
            return result.result()

        return remember  # type: ignore[return-value]

    return decorate


def _read_only(result: Any) -> Any:
    for array in result if isinstance(result, tuple) else (result,):
        array.flags.writeable = False
    return result
