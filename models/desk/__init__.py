from . import psa_exception_cause
from . import psa_exception
from . import psa_exception_work
from . import psa_exception_fix
from . import psa_audit
from . import res_company
