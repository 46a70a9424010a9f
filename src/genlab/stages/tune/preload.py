"""What every trial needs is imported once, in the process that trials are forked from; nothing is computed there."""

from genlab.quiet import import_tensorflow

import_tensorflow()

from genlab import tracking  # noqa: E402
from genlab.stages.tune import trial  # noqa: E402, F401

tracking.warm_up()
