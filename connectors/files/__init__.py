"""Files: CSV and XLSX, uploaded by a person or put into a watched folder."""

from .connector import FilesConnector

CONNECTOR = FilesConnector()
