"""Stand-in of a Stripe account in test mode."""

from .app import create_app

__all__ = ["create_app"]
