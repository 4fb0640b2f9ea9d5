"""Jira Cloud with Tempo: people, projects and issues from Jira; customers, time and its approval from Tempo."""

from .connector import JiraConnector

CONNECTOR = JiraConnector()
