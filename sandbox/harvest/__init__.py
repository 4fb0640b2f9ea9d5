"""Stand-in of a Harvest account."""

from .app import create_app

__all__ = ["create_app"]
