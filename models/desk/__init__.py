from . import cause
from . import exception
from . import exception_work
from . import exception_fix
from . import exception_fix_costs
from . import audit
from . import res_company
from . import res_config_settings
