"""How often images were shown to a model and measured: what is looked at often and chosen by is no test."""

from __future__ import annotations

from cnnexp.data.given import WHOLE
from cnnexp.results.recorded import REPRODUCES, Recorded
from cnnexp.tracking.rows import rows_where
from cnnexp.tracking.run import LOOK
from cnnexp.tracking.search import RunRow

KIND = "evaluation"
EVALUATES = "evaluates"  # tag: the id of the run whose model it is
DIGEST, PART = "evaluated_digest", "part"  # tags of an evaluation: of which images


def looks_before(recorded: Recorded, *, digest: str, part: str, is_own: bool) -> int:
    """Returns how often images were shown to a model before; one that ended badly counts from its start.

    Args:
        recorded: the run whose model it is.
        digest: of the data set.
        part: of it; parts overlap with the whole.
        is_own: the data set that the run was trained on. Of that the looks at its test part count, the
            run's own one and those of its reproductions included, where that is among the images.
    """
    is_tested = is_own and part in ("test", WHOLE)
    parts = {"test", WHOLE} if is_tested else {part, WHOLE}
    earlier = [
        row
        for row in _marked(recorded, f"tags.kind = '{KIND}' and tags.`{EVALUATES}` = '{recorded.run_id}'")
        if row.tags.get(DIGEST) == digest
        and (row.tags.get(PART) in parts or (part == WHOLE and not is_own))  # any part is of the whole
    ]
    if not is_tested:
        return len(earlier)
    again = _marked(recorded, f"tags.`{REPRODUCES}` = '{recorded.run_id}'")
    own = int(recorded.row.tags.get(LOOK, "1")) if "test/accuracy" in recorded.row.metrics else 0
    return len(earlier) + len(again) + own


def _marked(recorded: Recorded, condition: str) -> list[RunRow]:
    return [row for row in rows_where(recorded.store, condition) if LOOK in row.tags]
