from . import psa_connection
from . import psa_connection_setting
from . import psa_connection_declare
from . import psa_connection_gate
from . import psa_credential
from . import psa_stream
from . import res_company
