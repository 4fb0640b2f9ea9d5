"""One rig for each vendor; a module of this folder that has a ``RIG`` is one."""

import importlib
import pkgutil


def all_rigs():
    """Return ``{connector code: rig}``."""
    modules = (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    return {module.RIG.code: module.RIG for module in modules if hasattr(module, "RIG")}
