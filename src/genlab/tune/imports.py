"""What every trial needs is imported once, in the process that trials are forked from; nothing is computed there."""

from genlab import tracking
from genlab.runtime.native_output import import_tensorflow

import_tensorflow()
tracking.warm_up()
