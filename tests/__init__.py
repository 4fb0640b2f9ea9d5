from . import test_exception
from . import test_audit
