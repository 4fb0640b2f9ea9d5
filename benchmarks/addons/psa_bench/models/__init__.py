from . import noop
from . import row
