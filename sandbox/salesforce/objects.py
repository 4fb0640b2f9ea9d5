"""All objects of the organisation by their name in lower case."""

from .objects_psa import PSA
from .objects_standard import STANDARD
from .schema import build

OBJECTS = build(STANDARD + PSA)
