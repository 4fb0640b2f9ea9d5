"""A small client for the sandbox's own tests; it knows nothing of the add-on's connectors."""

import time

import jwt
import requests

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
VERSION = "v62.0"


def assertion(credentials, **claims):
    """Return a signed JWT for the token endpoint; ``claims`` replace the right ones."""
    return jwt.encode({
        "iss": credentials["consumer_key"], "sub": credentials["username"], "aud": credentials["audience"],
        "exp": int(time.time()) + 180, **claims}, credentials["private_key"], "RS256")


class Client:
    """An authenticated session with a running sandbox."""

    def __init__(self, sandbox):
        self.url = sandbox.url
        self.credentials = sandbox.credentials
        self.http = requests.Session()
        self.login()

    def login(self):
        answer = self.token(grant_type=JWT_BEARER, assertion=assertion(self.credentials))
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return answer

    def token(self, **form):
        return requests.post(f"{self.url}/services/oauth2/token", data=form, timeout=10)

    def call(self, method, path, **options):
        """Call a path below the versioned root (or a whole path) and return the response."""
        if not path.startswith("/services"):
            path = f"/services/data/{VERSION}/{path}"
        options.setdefault("timeout", 10)
        return self.http.request(method, self.url + path, **options)

    def query(self, text, batch=None, every=False):
        """Return the response of a query."""
        headers = {"Sforce-Query-Options": f"batchSize={batch}"} if batch else {}
        return self.call("GET", "queryAll" if every else "query", params={"q": text}, headers=headers)

    def records(self, text, batch=None, every=False):
        """Return all records of a query over all pages."""
        page = self.query(text, batch, every).json()
        found = page["records"]
        while not page["done"]:
            page = self.call("GET", page["nextRecordsUrl"]).json()
            found += page["records"]
        return found

    def control(self, method, name, **values):
        answer = requests.request(method, f"{self.url}/_sandbox/{name}", json=values or None, timeout=10)
        answer.raise_for_status()
        return answer.json()
