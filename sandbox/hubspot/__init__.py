"""Stand-in of a HubSpot account."""

from .app import create_app

__all__ = ["create_app"]
