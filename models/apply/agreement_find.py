from odoo import models


class PsaApplyAgreementFind(models.AbstractModel):
    """Finds what an agreement signs, by the words that its sender wrote as the reference."""

    _name = "psa.apply.agreement.find"
    _description = "Find What an Agreement Signs"

    def _find(self, connection, references):
        """Return ``{reference: contracts or amendments}``; more than one where the reference does not tell them apart.

        The first way that finds something decides: number of the contract, number or subject of the amendment, id of
        the deal at any system of the company, the customer's order number or the deal's name. One query each.

        :param references: set of texts
        """
        found, missing = {}, set(references) - {""}
        for find in (self._by_number, self._by_amendment, self._by_deal, self._by_words):
            if missing:
                found.update(find(connection, missing))
                missing -= found.keys()
        return found

    def _contracts(self, domain):
        return self.env["sale.order"].search([
            ("psa_contract", "=", True), ("company_id", "in", self.env.companies.ids), *domain])

    def _by_number(self, connection, references):
        orders = self._contracts([("name", "in", list(references))]).grouped("name")
        return {name: self._own_first(connection, found) for name, found in orders.items()}

    def _by_amendment(self, connection, references):
        numbers = {reference: parsed for reference in references if (parsed := _amendment_number(reference))}
        found = {}
        for amendment in self.env["psa.amendment"].search([
            ("company_id", "in", self.env.companies.ids),
            "|", ("name", "in", list(references)),
            "&", ("order_id.name", "in", [name for name, _number in numbers.values()]),
            ("number", "in", [number for _name, number in numbers.values()]),
        ]):
            number = (amendment.order_id.name, amendment.number)
            for reference in references:
                if reference == amendment.name or numbers.get(reference) == number:
                    found[reference] = found.get(reference, amendment) | amendment
        return {reference: self._own_first(connection, amendments) for reference, amendments in found.items()}

    def _by_deal(self, connection, references):
        found = {}
        for binding in self.env["psa.binding"].search([
            ("canonical_type", "=", "deal"), ("external_id", "in", list(references)), ("res_id", "!=", False),
            ("res_model", "=", "sale.order"), ("connection_id.company_id", "=", connection.company_id.id),
        ]):
            order = self.env["sale.order"].browse(binding.res_id)
            found[binding.external_id] = found.get(binding.external_id, order) | order
        return {reference: orders.exists() for reference, orders in found.items() if orders.exists()}

    def _by_words(self, connection, references):
        names = list(references)
        found = {}
        for order in self._contracts([
            ("state", "!=", "cancel"), "|", ("client_order_ref", "in", names), ("origin", "in", names),
        ]):
            for reference in {order.client_order_ref, order.origin} & references:
                found[reference] = found.get(reference, order) | order
        return {reference: self._own_first(connection, orders) for reference, orders in found.items()}

    def _own_first(self, connection, records):
        """Companies may number alike: the connection's own company comes first."""
        return records.filtered(lambda record: record.company_id == connection.company_id) or records


def _amendment_number(reference):
    """Return ``(contract number, amendment number)`` of ``S00012/2`` and ``S00012 / 2 More hours``, else None."""
    contract, slash, rest = reference.rpartition("/")
    number = rest.split()[:1]
    if slash and number and number[0].isdecimal():
        return contract.strip(), int(number[0])
    return None
