"""The one error that a user can mend."""


class InputError(ValueError):
    """Bad input: the message says what was expected, what was received and where to mend it.

    The command line prints it as one line and exits with 1; everything else is a defect and keeps its traceback.
    """
