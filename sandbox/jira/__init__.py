"""Stand-in of a Jira Cloud site with Tempo Cloud: both vendors' hosts under one URL."""

from .app import create_app

__all__ = ["create_app"]
