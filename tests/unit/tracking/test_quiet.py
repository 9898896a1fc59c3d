from __future__ import annotations

import gc
import warnings

import pytest

from cnnexp.tracking.quiet import quiet_mlflow


def test_collector_and_warnings_are_back_after_the_block_and_after_an_error_in_it() -> None:
    with quiet_mlflow():
        assert not gc.isenabled()
        warnings.warn("MLflow's own affair", stacklevel=1)
    assert gc.isenabled()
    with pytest.raises(KeyError), quiet_mlflow():
        raise KeyError
    assert gc.isenabled()
    with pytest.raises(UserWarning, match="ours"):
        warnings.warn("ours", stacklevel=1)


def test_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with quiet_mlflow():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
