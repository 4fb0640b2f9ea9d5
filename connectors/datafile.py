"""JSON data files beside a module: field maps, translations, and whatever else a vendor's declaration is made of."""

import json
from pathlib import Path


def read(anchor, name):
    """Return the JSON value of file ``name`` that lies beside the module file ``anchor``."""
    return json.loads(Path(anchor).with_name(name).read_text(encoding="utf-8"))
