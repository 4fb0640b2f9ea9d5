"""What happens at the source after the first invoices are posted: edits, deletions, rejections and a merge."""


class SecondAct:
    """Chosen when the data are seeded, played on demand."""

    def __init__(self, world):
        self.world = world
        self.played = False

    def expected(self):
        return {}

    def play(self):
        self.played = True
        return {}
