"""Stripe: customers, payments with their fees, payouts with what they consist of; payment pages for invoices."""

from .connector import StripeConnector

CONNECTOR = StripeConnector()
