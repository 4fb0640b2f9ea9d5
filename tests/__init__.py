from . import test_exception
from . import test_audit
from . import test_connection
from . import test_credential
from . import test_drain
