"""The stand-in of Jira and Tempo: API tokens, OAuth with rotating refresh tokens, refusals."""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from jira_client import Client, over_oauth, refresh, serving, token
from rigs.jira import RIG

REDIRECT = "https://erp.example.com/psa_hub/oauth/callback"


@pytest.fixture
def vendor():
    yield from serving()


@pytest.fixture
def client(vendor):
    return Client(vendor)


def test_tempo_refuses_in_html(vendor, client):
    answer = requests.get(f"{client.url}/4/worklogs", timeout=5, headers={"Authorization": "Bearer wrong"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "text/html;charset=UTF-8")
    assert RIG.narrow(vendor) == "customer"
    answer = client.tempo("GET", "customers")
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "text/html;charset=UTF-8")
    assert client.tempo("GET", "accounts").status_code == 200


def test_jira_refuses_a_wrong_token(client):
    answer = requests.get(f"{client.url}/rest/api/3/myself", timeout=5, auth=(client.known["email"], "wrong"))
    assert (answer.status_code, "errorMessages" in answer.json()) == (401, True)
    assert client.jira("GET", "myself").json()["timeZone"] == "America/New_York"


def consent(client, **query):
    answer = requests.get(f"{client.url}/authorize", timeout=5, allow_redirects=False, params={
        "audience": "api.atlassian.com", "client_id": client.known["client_id"], "redirect_uri": REDIRECT,
        "scope": "read:jira-work read:jira-user offline_access", "state": "s", "response_type": "code",
        "prompt": "consent", **query})
    return answer if answer.status_code != 302 else parse_qs(urlsplit(answer.headers["Location"]).query)


def test_authorization_code(client):
    back = consent(client)
    assert back["state"] == ["s"]
    wrong = token(client, grant_type="authorization_code", code=back["code"][0], redirect_uri="https://else.example/")
    assert (wrong.status_code, wrong.json()["error"]) == (403, "invalid_grant")
    given = {"grant_type": "authorization_code", "code": consent(client)["code"][0], "redirect_uri": REDIRECT}
    answer = token(client, **given).json()
    assert token(client, **given).status_code == 403
    (site,) = requests.get(f"{client.url}/oauth/token/accessible-resources", timeout=5, headers={
        "Authorization": f"Bearer {answer['access_token']}"}).json()
    assert (site["id"], site["url"]) == (client.known["cloud_id"], client.url)
    assert over_oauth(client, answer["access_token"]) == 200
    assert over_oauth(client, answer["access_token"], cloud="other") == 404
    write = requests.put(f"{client.url}/ex/jira/{site['id']}/rest/api/3/issue/20011/worklog/1/properties/x", json=1,
                         headers={"Authorization": f"Bearer {answer['access_token']}"}, timeout=5)
    assert write.status_code == 403  # write:jira-work was not asked for
    code = consent(client, scope="read:jira-work")["code"][0]
    assert "refresh_token" not in token(client, **{**given, "code": code}).json()
    assert consent(client, audience="else").status_code == 400
    assert consent(client, scope="everything").status_code == 400


def test_refresh_tokens_rotate_and_a_spent_one_ends_the_family(vendor, client):
    first = refresh(client, client.known["refresh_token"]).json()
    assert over_oauth(client, first["access_token"]) == 200
    RIG.expire(vendor)
    assert over_oauth(client, first["access_token"]) == 401
    second = refresh(client, first["refresh_token"]).json()
    assert over_oauth(client, second["access_token"]) == 200
    assert refresh(client, first["refresh_token"]).json()["error"] == "invalid_grant"
    assert refresh(client, second["refresh_token"]).status_code == 403
    assert over_oauth(client, second["access_token"]) == 401
    assert token(client, client_secret="wrong").status_code == 401


def test_after_a_revocation_nothing_works(vendor, client):
    RIG.revoke(vendor)
    assert refresh(client, client.known["refresh_token"]).status_code == 403
    assert client.jira("GET", "myself").status_code == 401
    assert client.tempo("GET", "worklogs").status_code == 401


def test_the_log_holds_no_secret(vendor, client):
    refresh(client, client.known["refresh_token"])
    client.jira("GET", "myself")
    consent(client)
    text = str(vendor.log())
    assert "/oauth/token" in text
    for name in ("client_secret", "refresh_token", "api_token", "tempo_token"):
        assert client.known[name] not in text
