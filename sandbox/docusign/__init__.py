"""Stand-in of DocuSign eSignature: its OAuth host and its REST host under one URL."""

from .app import create_app

__all__ = ["create_app"]
