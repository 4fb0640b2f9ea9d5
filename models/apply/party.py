from collections import defaultdict

from odoo import api, models
from odoo.tools import SQL

from .party_match import name_key, normalise_vat
from .tools import link_key, linked_keys, save, share_prefetch, unique_by_key

# What sales systems write for a country besides its ISO code and its English name.
_COUNTRY_SYNONYMS = {
    "usa": "us", "united states of america": "us", "uk": "gb", "great britain": "gb", "england": "gb",
    "scotland": "gb", "wales": "gb", "holland": "nl", "the netherlands": "nl", "korea": "kr", "czechia": "cz",
    "türkiye": "tr", "russia": "ru",
}


class PsaApplyParty(models.AbstractModel):
    """Customers -> ``res.partner`` (companies, shared by all legal entities).

    A customer is matched before it is created: by its link, else by its tax number, else by web domain and name (see
    ``psa.apply.party.choice``). Two linked customers with one tax number are never mixed silently: the second one is
    held as ``duplicate_party``.
    """

    _name = "psa.apply.party"
    _inherit = "psa.apply.partner.merge"
    _description = "Apply Customers"
    _canonical_names = {
        "company_registry": "registration", "country_id": "country", "state_id": "state", "parent_id": "parent",
    }

    # === RECOGNISE === #
    @api.model
    def _recognise(self, connection, keys):
        """Customers by reference, tax number or name."""
        Partner = self.env["res.partner"]
        partners = Partner.search_fetch(
            [
                ("is_company", "=", True), ("company_id", "in", (False, connection.company_id.id)),
                "|", "|", ("ref", "in", list(keys)), ("vat", "in", list(keys)),
                ("psa_match_key", "in", [name_key(key) for key in keys]),
            ],
            ["ref", "vat", "name"])
        found = unique_by_key(keys, partners, (
            lambda partner: partner.ref, lambda partner: partner.vat, lambda partner: partner.name))
        # What is left may write the name in its own way.
        names = {key: name_key(key) for key in keys - found.keys()}
        by_name = unique_by_key(set(names.values()), partners, (lambda partner: partner.psa_match_key,))
        return found | {key: by_name[name] for key, name in names.items() if name in by_name}

    # === PREPARE === #
    def _prepare(self, items):
        share_prefetch(items)
        countries = self._country_ids()
        for item in items:
            country = item.values["country"]
            if country and not self._country_id(countries, country):
                item.hold(
                    "invalid_data",
                    self.env._(
                        "The customer “%(customer)s” has the country “%(country)s”, which Odoo does not know. "
                        "Taxes depend on it: correct it at the source.",
                        customer=item.values["name"], country=country,
                    ),
                    key=item.key,
                )
        self._match([item for item in items if item.unmatched], countries)

    def _match(self, items, countries):
        """Find the partners of customers that have no link yet, the surest way first."""
        Choice = self.env["psa.apply.party.choice"]
        descriptions = {
            item: Choice._describe(item, self._country_id(countries, item.values["country"] or "")) for item in items
        }
        self.env["psa.apply.turn"]._take(
            {f"vat:{party.vat}" for party in descriptions.values() if party.vat}
            | Choice._turns(descriptions.values()))
        self._match_by_vat([item for item in items if descriptions[item].vat])
        taken = {(item.connection.id, item.record.id) for item in items if item.record}
        Choice._match({item: party for item, party in descriptions.items() if item.ok and not item.record}, taken)

    def _match_by_vat(self, items):
        """Adopt the partner that has the item's tax number, or hold the item when the match is not certain."""
        if not items:
            return
        vats = {normalise_vat(item.values["vat"]) for item in items}
        partners_by_vat = self._partners_by_vat(vats)
        linked = linked_keys(items, self.env["res.partner"].union(*partners_by_vat.values()))
        first_by_vat = {}
        for item in items:
            vat = normalise_vat(item.values["vat"])
            partners = partners_by_vat.get(vat, self.env["res.partner"])
            rival = first_by_vat.setdefault((item.connection.id, item.object_type, vat), item)
            bound = partners.filtered(lambda partner, item=item: link_key(item, partner) in linked)
            parent = item.parents.get("parent")
            if parent and parent in bound:
                continue  # a branch that files under its parent's tax number
            if bound or rival is not item:
                other = bound[:1].name or rival.values["name"]
                item.hold("duplicate_party", self._duplicate_text(item, other), key=item.key, record=bound[:1])
            elif len(partners) > 1:
                item.hold(
                    "duplicate_party",
                    self.env._(
                        "Odoo has %(count)s customers with the tax number %(vat)s of “%(customer)s”. "
                        "Merge them in Odoo, then retry.",
                        count=len(partners), vat=item.values["vat"], customer=item.values["name"],
                    ),
                    key=item.key, record=partners[:1],
                )
            elif partners:
                item.record = partners

    def _duplicate_text(self, item, other):
        return self.env._(
            "The customer “%(customer)s” has the same tax number (%(vat)s) as “%(other)s”, which is linked already. "
            "Merge the two at the source, or correct the tax number.",
            customer=item.values["name"], vat=item.values["vat"], other=other,
        )

    def _partners_by_vat(self, vats):
        """Return ``{normalised tax number: top-level partners}``, archived ones left out."""
        Partner = self.env["res.partner"]
        Partner.flush_model(["vat", "commercial_partner_id", "active"])
        rows = self.env.execute_query(SQL(
            """SELECT regexp_replace(upper(vat), '[^A-Z0-9]', '', 'g'), array_agg(id ORDER BY id)
                 FROM res_partner
                WHERE vat IS NOT NULL AND regexp_replace(upper(vat), '[^A-Z0-9]', '', 'g') = ANY(%s)
                  AND active AND commercial_partner_id = id
             GROUP BY 1""", list(vats),
        ))
        return {vat: Partner.browse(ids) for vat, ids in rows}

    # === APPLY === #
    def _apply(self, items):
        places = self._places(items)
        values = {item: self._partner_values(item, places) for item in items}
        for item, partner in save(self, "res.partner", items, values).items():
            item.done(partner)

    def _partner_values(self, item, places):
        source = item.values
        country_id, state_id = places[item]
        vat = source["vat"] or False
        if item.record and normalise_vat(item.record.vat) == normalise_vat(vat):
            vat = item.record.vat  # Odoo may write it in its own way
        parent = item.parents.get("parent")
        return {
            "is_company": True,
            "name": source["name"],
            "vat": vat,
            "company_registry": source["registration"] or False,
            "email": source["email"] or False,
            "phone": source["phone"] or False,
            "website": self.env["res.partner"]._clean_website(source["website"]) if source["website"] else False,
            "street": source["street"] or False,
            "street2": source["street2"] or False,
            "city": source["city"] or False,
            "zip": source["zip"] or False,
            "country_id": country_id,
            "state_id": state_id,
            "parent_id": parent.id if parent else False,
        }

    # === PLACES === #
    def _country_ids(self):
        """Return ``{lower-case ISO code or English name: country id}``."""
        result = {}
        for country in self.env["res.country"].with_context(lang="en_US").search_fetch([], ["code", "name"]):
            result[(country.code or "").lower()] = country.id
            result[country.name.lower()] = country.id
        return result

    def _country_id(self, countries, text):
        text = text.strip().lower()
        return countries.get(_COUNTRY_SYNONYMS.get(text, text), False)

    def _places(self, items):
        """Return ``{item: (country id, state id)}``; a state that its country does not have stays empty."""
        countries = self._country_ids()
        country_by_item = {
            item: self._country_id(countries, item.values["country"]) if item.values["country"] else False
            for item in items
        }
        wanted = {country_by_item[item] for item in items if item.values["state"]} - {False}
        states = defaultdict(dict)
        if wanted:
            for state in self.env["res.country.state"].search_fetch(
                [("country_id", "in", list(wanted))], ["code", "name", "country_id"]
            ):
                states[state.country_id.id][state.code.lower()] = state.id
                states[state.country_id.id][state.name.lower()] = state.id
        return {
            item: (country_id, states[country_id].get((item.values["state"] or "").strip().lower(), False))
            for item, country_id in country_by_item.items()
        }
