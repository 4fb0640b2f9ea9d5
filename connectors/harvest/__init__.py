"""Harvest: customers, people, projects, assignments, time and expenses."""

from .connector import HarvestConnector

CONNECTOR = HarvestConnector()
