from . import hr_employee
from . import project_project
from . import res_company
from . import res_config_settings
from . import sale_order_line
from . import sale_order
