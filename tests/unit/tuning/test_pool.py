"""How a machine is shared out among workers."""

from __future__ import annotations

import os

import pytest
import torch

from cnnexp.settings import ComputeSettings
from cnnexp.tuning.pool import share_out

SMALL, LARGE = 1_000_000, 1_000_000_000


def test_a_small_network_gets_a_worker_per_core_with_a_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    jobs = share_out(None, trials=40, macs=SMALL, device="cpu", compute=ComputeSettings())
    assert jobs.machines == ({"threads": 1},) * 4


def test_a_large_network_gets_one_worker_with_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    jobs = share_out(None, trials=40, macs=LARGE, device="cpu", compute=ComputeSettings())
    assert jobs.machines == ({"threads": 4},)


def test_few_trials_get_few_workers_unless_more_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert len(share_out(None, trials=40, macs=SMALL, device="cpu", compute=ComputeSettings())) == 8
    asked = share_out(16, trials=40, macs=SMALL, device="cpu", compute=ComputeSettings(threads=8))
    assert asked.machines == ({"threads": 1},) * 16


def test_every_gpu_gets_a_worker_and_a_named_one_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    any_gpu = share_out(None, trials=40, macs=LARGE, device="cuda:0", compute=ComputeSettings())
    assert [one["device"] for one in any_gpu.machines] == ["cuda:0", "cuda:1", "cuda:2"]
    four = share_out(4, trials=40, macs=LARGE, device="cuda:0", compute=ComputeSettings())
    assert [one["device"] for one in four.machines] == ["cuda:0", "cuda:1", "cuda:2", "cuda:0"]
    named = share_out(2, trials=40, macs=LARGE, device="cuda:1", compute=ComputeSettings(device="cuda:1"))
    assert [one["device"] for one in named.machines] == ["cuda:1", "cuda:1"]
