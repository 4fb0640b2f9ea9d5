from collections import defaultdict
from itertools import chain

from odoo import models

from .party_match import Party, domain_of, name_key, normalise_vat, score
from .tools import join_names

CAUSE = "uncertain_party"
NEW = "new"  # what a person decides: none of the candidates, it is a new customer
_NAMED = 5  # candidates that a sentence names


class PsaApplyPartyChoice(models.AbstractModel):
    """Which of Odoo's customers a new one from another system is.

    Candidates have its name (see ``psa_match_key``) or its web domain; :func:`~.party_match.score` says how sure each
    is. From the company's "match by itself" on the one candidate is adopted; several of them, or less sure ones, are
    for a person; below "ask" it is a new customer. What the same connection links already is never a candidate: a
    source knows its own customers apart.
    """

    _name = "psa.apply.party.choice"
    _description = "Match Customers"

    def _turns(self, descriptions):
        """Return the names to take before looking, so that two systems cannot make one customer at once."""
        return set(chain.from_iterable(
            (f"party:{party.key}", *([f"domain:{party.domain}"] if party.domain else ()))
            for party in descriptions))

    def _describe(self, item, country_id):
        """Return the :class:`Party` of an item."""
        source = item.values
        return Party(name_key(source["name"]), domain_of(source["website"], source["email"]),
                     normalise_vat(source["vat"]), str(country_id or ""), source["city"] or "")

    def _match(self, descriptions, taken):
        """Adopt or hold items; those that are new stay as they are.

        :param descriptions: ``{item: Party}`` of items that nothing surer has matched
        :param taken: ``{(connection id, partner id)}`` that others of the batch have taken
        """
        descriptions = {item: party for item, party in descriptions.items()
                        if item.claim.decided.get(CAUSE) != NEW}
        if not descriptions:
            return
        candidates = self._candidates(descriptions.values())
        linked = taken | self._linked(descriptions, candidates)
        by_key, by_domain = defaultdict(list), defaultdict(list)
        parties = {}
        for partner in candidates:
            by_key[partner.psa_match_key].append(partner)
            by_domain[partner.psa_match_domain].append(partner)
            parties[partner] = Party(partner.psa_match_key or "", partner.psa_match_domain or "",
                                     normalise_vat(partner.vat), str(partner.country_id.id or ""), partner.city or "")
        for item, party in descriptions.items():
            found = {*by_key.get(party.key, ()), *(by_domain.get(party.domain, ()) if party.domain else ())}
            self._decide(item, {
                partner: score(party, parties[partner]) for partner in found
                if (item.connection.id, partner.id) not in linked and partner != item.parents.get("parent")
                and partner.company_id in (partner.company_id.browse(), item.company)
            }, linked)

    def _decide(self, item, scores, linked):
        company = item.company
        likely = sorted(
            (partner for partner, points in scores.items() if points >= company.psa_match_ask_from),
            key=lambda partner: (-scores[partner], partner.id))
        sure = [partner for partner in likely if scores[partner] >= company.psa_match_from]
        if len(sure) == 1:
            item.record = sure[0]
            linked.add((item.connection.id, sure[0].id))
        elif likely:
            item.hold(CAUSE, self.env._(
                "The customer “%(customer)s” from %(connection)s may be %(candidates)s in Odoo. Say which one it is, "
                "or that it is a new customer.",
                customer=item.values["name"], connection=item.connection.name,
                candidates=join_names(
                    [self.env._("“%(name)s” (score %(score)s)", name=partner.name, score=scores[partner])
                     for partner in likely[:_NAMED]], self.env._("or")),
            ), key=item.key, record=likely[0], choices=likely)

    def _candidates(self, parties):
        """Return the active companies that have the name or the domain of one of ``parties``; one query."""
        return self.env["res.partner"].search_fetch(
            [
                ("is_company", "=", True),
                "|", ("psa_match_key", "in", list({party.key for party in parties} - {""})),
                ("psa_match_domain", "in", list({party.domain for party in parties} - {""})),
            ],
            ["name", "vat", "city", "country_id", "company_id", "psa_match_key", "psa_match_domain"],
        )

    def _linked(self, items, partners):
        """Return ``{(connection id, partner id)}``: which of ``partners`` the items' connections know already."""
        bindings = self.env["psa.binding"].search_fetch(
            [
                ("connection_id", "in", list({item.connection.id for item in items})),
                ("res_model", "=", "res.partner"), ("res_id", "in", partners.ids),
            ],
            ["connection_id", "res_id"],
        )
        return {(binding.connection_id.id, binding.res_id) for binding in bindings}
