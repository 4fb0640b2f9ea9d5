"""The conformance suite's rig of Harvest."""

import itertools
from urllib.parse import urlsplit

from wire_server import session_for

from .base import Rig


class HarvestRig(Rig):
    """Entries of time, over OAuth."""

    code = vendor = "harvest"
    stream = "time"
    deletion_seconds = 25 * 3600  # a sweep a day

    def __init__(self):
        self._numbers = itertools.count(1)

    def session(self, vendor, **transport):
        known = vendor.credentials
        credentials = {name: known[name] for name in ("client_id", "client_secret", "refresh_token")}
        return session_for(vendor.url, "oauth", credentials, None, self._settings(vendor), **transport)

    def token_session(self, vendor, **transport):
        """Return a session that uses the personal access token instead."""
        return session_for(vendor.url, "token", {"access_token": vendor.credentials["access_token"]}, None,
                           self._settings(vendor), **transport)

    def _settings(self, vendor):
        """The stand-in's host takes the place of the default's; a path in the default stays."""
        paths = {field.code: urlsplit(field.default).path.rstrip("/") for field in self.connector.settings}
        return {"base_url": vendor.url + paths["base_url"], "login_url": vendor.url + paths["login_url"],
                "account_id": vendor.credentials["account_id"]}

    # === WHAT HAPPENS AT THE VENDOR === #

    def ids(self, vendor):
        """A running timer is no time yet."""
        app = vendor.app
        with app.store.lock:
            return {str(id_) for id_, row in app.store["time_entries"].rows.items() if not (row and row["is_running"])}

    def make(self, vendor, count=1, moment=None):
        return [str(vendor.app.desk.create(moment)["id"]) for _place in range(count)]

    def touch(self, vendor, external_id, moment=None):
        text = f"noted {next(self._numbers)}"
        vendor.app.desk.change(int(external_id), moment, notes=text)
        return text

    def delete(self, vendor, external_id):
        vendor.app.desk.delete(int(external_id))

    def unstamp(self, vendor, external_id):
        vendor.app.desk.unstamp(int(external_id))

    # === LOGIN === #

    def expire(self, vendor):
        vendor.app.authority.expire()

    def revoke(self, vendor):
        vendor.app.authority.refuse_all = True

    def narrow(self, vendor):
        vendor.app.hide("expenses")
        return "expense"


RIG = HarvestRig()
