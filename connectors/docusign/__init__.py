"""DocuSign: envelopes, whose signature releases a contract."""

from .connector import DocuSignConnector

CONNECTOR = DocuSignConnector()
