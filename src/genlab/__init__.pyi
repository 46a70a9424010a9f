from genlab.api import fetch as fetch
from genlab.api import load as load
from genlab.api import train as train
from genlab.imaging.pictures import Pictures as Pictures

__version__: str
