"""HubSpot: customers, contacts, owners and won deals; invoice status back to deals and companies."""

from .connector import HubSpotConnector

CONNECTOR = HubSpotConnector()
