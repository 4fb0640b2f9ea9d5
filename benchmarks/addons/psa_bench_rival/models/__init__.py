from . import rival
