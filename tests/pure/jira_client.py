"""A caller of the stand-in of Jira and Tempo for its own tests; it knows nothing of the connector."""

import requests

from sandbox.server import start


class Client:
    """A caller with the site's API token and Tempo's token."""

    def __init__(self, vendor):
        self.url, self.known = vendor.url, vendor.credentials

    def jira(self, method, path, **options):
        return requests.request(method, f"{self.url}/rest/api/3/{path}", timeout=10,
                                auth=(self.known["email"], self.known["api_token"]), **options)

    def tempo(self, method, path, **options):
        headers = {"Authorization": f"Bearer {self.known['tempo_token']}"}
        return requests.request(method, f"{self.url}/4/{path}", timeout=20, headers=headers, **options)

    def all(self, path, **params):
        """Return the rows of all pages of a Tempo list."""
        page = self.tempo("GET", path, params=params).json()
        rows = page["results"]
        while "next" in page["metadata"]:
            link = page["metadata"]["next"]
            assert link.startswith(f"{self.url}/4/")
            page = self.tempo("GET", link.removeprefix(f"{self.url}/4/")).json()
            rows += page["results"]
        return rows

    def search(self, path, body, **params):
        """Return the rows of all pages of a search with page tokens."""
        rows, token = [], None
        while True:
            page = self.tempo("POST", path, json=body, params={**params, "nextPageToken": token} if token else params)
            assert page.status_code == 200, page.text
            rows += page.json()["results"]
            token = page.json()["metadata"].get("nextPageToken")
            if token is None:
                return rows

    def issues(self, jql, **body):
        return self.jira("POST", "search/jql", json={"jql": jql, **body})


def approved_weeks(client):
    """Return the last status of each user's week as the log tells it."""
    lines = client.search("timesheet-approvals/logs/search", {"updatedFrom": "2025-01-01T00:00:00Z"}, limit=3)
    state = {}
    for line in sorted(lines, key=lambda line: line["status"]["updatedAt"]):
        state[line["user"]["accountId"], line["period"]["from"], line["period"]["to"]] = line["status"]["key"]
    return {key for key, status in state.items() if status == "APPROVED"}


def serving():
    """Yield a running stand-in; afterwards no request may have broken it."""
    running = start(vendor="jira", scale="tiny", hook_retry_seconds=0.01)
    yield running
    running.stop()
    assert running.errors == []


def token(client, **body):
    return requests.post(f"{client.url}/oauth/token", timeout=5, json={
        "client_id": client.known["client_id"], "client_secret": client.known["client_secret"], **body})


def refresh(client, value):
    return token(client, grant_type="refresh_token", refresh_token=value)


def over_oauth(client, access_token, path="myself", cloud=None):
    return requests.get(f"{client.url}/ex/jira/{cloud or client.known['cloud_id']}/rest/api/3/{path}", timeout=5,
                        headers={"Authorization": f"Bearer {access_token}"}).status_code
