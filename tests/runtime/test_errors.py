"""The error that a user can fix has three fields and one sentence."""

from genlab.runtime.errors import InputError, one_line


def test_sentence_is_made_of_the_three_fields() -> None:
    expected, received, where = "kl_weight must be at least 0", "-1.0", "See params.yaml: kl_weight"
    error = InputError(expected, received, where)
    assert (error.expected, error.received, error.where) == (expected, received, where)
    assert str(error) == (
        "kl_weight must be at least 0. Received: -1.0. See params.yaml: kl_weight."
    )
    assert isinstance(error, ValueError)


def test_any_error_in_one_line() -> None:
    assert one_line(KeyError()) == "KeyError"
    assert one_line(OSError("no\nroom")) == "OSError: no"
    assert one_line(OSError("no room"), limit=10) == "OSError: n"


def test_names_of_files_keep_the_error_in_one_line() -> None:
    error = InputError("a\nb.png must be a picture", "caf\udce9\t", "See params.yaml")
    assert str(error) == "a\\nb.png must be a picture. Received: caf\\udce9\\t. See params.yaml."
