from . import applying, binding, finish, order, read


class Batch:
    """What the stages share.

    :ivar env: environment of the connection's user
    :ivar claims: list of :class:`Claim`, oldest first
    :ivar bound: ``{(object type, external id): Bound}`` of the records in the batch
    :ivar resolved: ``{(object type, external id): Odoo record or None}`` of parents looked up so far
    :ivar older: ``{claim: [row of an open older message of the same record]}``
    :ivar missing: ``{(object type, external id): Missing}`` of parents that are not there
    :ivar mappings: ``{stream id: id of the field map in force}``, shared by the batches of a turn
    :ivar woken: wait keys of what was bound or changed, or turned out not to exist
    :ivar released: ids of the messages that go again because of it
    """

    def __init__(self, env, connection, claims, full=False, trust_unique=False, mappings=None):
        self.env = env
        self.connection = connection
        self.claims = claims
        self.full = full
        self.trust_unique = trust_unique
        self.mappings = {} if mappings is None else mappings
        self.streams = {}
        self.bound = {}
        self.resolved = {}
        self.older = {}
        self.missing = {}
        self.woken = set()
        self.released = []

    def run(self):
        order.supersede(self)
        read.read(self)
        binding.load(self)
        binding.compare(self)
        applying.apply(self)
        finish.finish(self)

    def open_claims(self):
        return [claim for claim in self.claims if claim.open]

    def settlement(self):
        """Return what must be looked at again after the commit: (wait keys decided, references awaited)."""
        awaited = {missing.reference for claim in self.claims if claim.outcome.state == "waiting"
                   for missing in self.missing.values() if missing.key == claim.outcome.key}
        return self.woken, awaited
