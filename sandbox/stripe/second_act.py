"""What happens at the account after a first load."""


class SecondAct:
    """:param seeds: ids of the seeded payments; empty: nothing happens"""

    def __init__(self, money, seeds):
        self._money, self._seeds, self.played = money, seeds, False

    def play(self):
        """Play it once and return ``{what happened: [ids]}``.

        :raise ValueError: it has been played
        """
        if self.played:
            raise ValueError("the second act has been played")
        self.played = True
        if not self._seeds:
            return {}
        money, charges = self._money, self._seeds["charges"]
        debit = money.pay({"amount": 25_000, "currency": "eur", "description": "Bank debit",
                           "customer": "cus_Eich05", "metadata": {"odoo_invoice": "OLD-DEBIT"}}, outcome="pending")
        return {
            "refunded": [money.refund(charges[0], 5_000)["id"]],
            "refund_failed": [money.fail_refund(self._seeds["refunds"][1])["id"]],
            "dispute_won": [money.close_dispute(self._seeds["disputes"][0], "won")["id"]],
            "payout_failed": [money.fail_payout(self._seeds["payouts"][0])["id"]],
            "settled": [money.settle(debit["id"])["id"]],
            "changed": [money.change(charges[3], description="Payment 4, corrected")["id"]],
        }
