"""Vendor wire formats. Adding a vendor is adding a folder; nothing here names one.

Each vendor folder is a Python package whose ``__init__`` offers ``CONNECTOR`` (an instance).
"""

import functools
import importlib
import pkgutil


_registered = {}


def register(connector):
    """Offer a connector or package that lives outside this folder: another add-on's, or a test's."""
    _registered[connector.code] = connector


def unregister(code):
    _registered.pop(code, None)


def _modules():
    return {**_shipped(), **_registered}


@functools.cache
def _shipped():
    found = {}
    for info in pkgutil.iter_modules(__path__):
        if info.ispkg:
            module = importlib.import_module(f"{__name__}.{info.name}")
            found[module.CONNECTOR.code] = module.CONNECTOR
    return found


def connectors():
    """Return ``{code: connector}`` of the vendors one can connect to."""
    return {code: item for code, item in _modules().items() if not getattr(item, "host", "")}


def packages(host):
    """Return ``{code: package}`` of the packages on the platform of connector ``host``."""
    return {code: item for code, item in _modules().items() if getattr(item, "host", "") == host}


def all_codes():
    """Return the codes of all connectors and packages."""
    return set(_modules())


def get(code):
    """Return the connector or package of that code. :raise KeyError: there is none"""
    return _modules()[code]
