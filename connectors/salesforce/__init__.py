"""Salesforce: customers, contacts, users and deals; host of the packages that live on its platform."""

from .connector import SalesforceConnector

CONNECTOR = SalesforceConnector()
