"""A worker of a sweep: it trains what is queued and proposes nothing."""

from __future__ import annotations

from cnnexp.tuning.cells import CellLedger, queue_missing
from cnnexp.tuning.worker import Worker


class CellWorker(Worker):
    """Works on a sweep."""

    def bury_dead(self) -> None:
        """Ends trials whose worker is gone, and queues again what was interrupted."""
        super().bury_dead()
        assert isinstance(self.ledger, CellLedger)
        queue_missing(self.study, self.ledger, self.plan)
