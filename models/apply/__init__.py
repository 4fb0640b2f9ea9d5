from . import role
from . import assignment
