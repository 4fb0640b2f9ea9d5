"""A small client for the own tests of HubSpot's stand-in; it knows nothing of the connectors."""

import requests


class Client:
    """Calls a running stand-in with the private app's token."""

    def __init__(self, vendor):
        self.vendor, self.url, self.credentials = vendor, vendor.url, vendor.credentials
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {self.credentials['access_token']}"

    def call(self, method, path, **options):
        return self.http.request(method, self.url + path, timeout=10, **options)

    def get(self, path, **query):
        return self.call("GET", path, params=query)

    def post(self, path, body):
        return self.call("POST", path, json=body)

    def search(self, kind="companies", **body):
        return self.post(f"/crm/v3/objects/{kind}/search", body)

    def token(self, path="/oauth/2026-03/token", **form):
        known = {name: self.credentials[name] for name in ("client_id", "client_secret")}
        return requests.post(self.url + path, data={**known, **form}, timeout=10)


def refused(answer, status=400, category="VALIDATION_ERROR", code=None):
    body = answer.json()
    assert (answer.status_code, body["status"], body["category"]) == (status, "error", category), body
    if code:
        assert body["errors"][0]["code"] == code, body
    return body
