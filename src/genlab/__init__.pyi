from genlab.pictures import Pictures as Pictures
from genlab.workbench import fetch as fetch
from genlab.workbench import load as load
from genlab.workbench import train as train

__version__: str
