"""Facts about this process that must be noted when it starts: later they may have changed.

This module knows nothing of the rest of the package.
"""

from __future__ import annotations

import os

STARTED_BY = os.getppid()  # the parent may end while the libraries are still being imported
