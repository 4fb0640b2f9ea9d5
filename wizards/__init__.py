from . import psa_exception_waive
