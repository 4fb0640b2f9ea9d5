"""Runnable stand-ins of the vendors' APIs, for the demo, the tests and load. Standard library only.

Each vendor folder is written from the vendor's documentation, never from the add-on's own client, so that the two
cannot share one mistake.
"""
