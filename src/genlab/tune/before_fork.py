"""What every trial needs is imported here, once, in the process that trials are forked from.

Nothing is computed: TensorFlow must not have started threads before a fork.
"""

from genlab import tracking
from genlab.runtime.native_output import import_tensorflow

import_tensorflow()
tracking.warm_up()
