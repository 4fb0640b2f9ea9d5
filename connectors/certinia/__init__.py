"""Certinia PSA, a managed package on Salesforce: projects, resources, time, expenses and milestones."""

from .package import CertiniaPackage

CONNECTOR = CertiniaPackage()
