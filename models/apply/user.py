from odoo import models
from odoo.tools import email_normalize

from .tools import link_key, linked_keys, share_prefetch


class PsaApplyUser(models.AbstractModel):
    """Users of the source (deal owners, approvers) -> the Odoo user with the same e-mail address.

    The hub never creates or changes a user. Somebody without an Odoo user is out of scope, and links to him or her
    stay empty.
    """

    _name = "psa.apply.user"
    _inherit = "psa.apply"
    _description = "Apply Users"

    def _prepare(self, items):
        share_prefetch(items)
        open_items = [item for item in items if item.ok and not item.record]
        users = self._users_by_email({email_normalize(item.values["email"]) for item in open_items} - {False})
        linked = linked_keys(open_items, self.env["res.users"].union(*users.values()))
        for item in open_items:
            user = users.get(email_normalize(item.values["email"]))
            if not user or link_key(item, user) in linked:
                item.skip("out_of_scope")
                continue
            linked.add(link_key(item, user))
            item.record = user

    def _users_by_email(self, emails):
        """Return ``{normalised e-mail or login: internal user}``; a login outranks another user's e-mail."""
        if not emails:
            return {}
        users = self.env["res.users"].with_context(active_test=False).search_fetch(
            [("share", "=", False), "|", ("login", "in", list(emails)), ("email_normalized", "in", list(emails))],
            ["login", "email_normalized"], order="active, id desc",
        )
        by_email = {user.email_normalized: user for user in users if user.email_normalized}
        by_email.update({user.login.lower(): user for user in users})
        return by_email

    def _apply(self, items):
        for item in items:
            item.done(item.record)
