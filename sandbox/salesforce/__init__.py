"""Stand-in of a Salesforce organisation with Certinia PSA installed."""

from .app import create_app

__all__ = ["create_app"]
