"""An experiment file of one's own: two tiny arms on the digits."""

from __future__ import annotations

from pathlib import Path

OWN = """\
title: Two nets on digits
about: A test.
seeds: 2
data:
  digits: {what: digits, first_of: [digits]}
settings: {epochs: 2, fraction: 0.2, figures: none, log_model: false, threads: 1}
arms:
  - {name: plain, data: digits, settings: {model: mlp}}
  - {name: conv, data: digits, settings: {model: convnet, lr: 0.01}}
networks:
  - {name: net, model: mlp, image: [1, 28, 28], classes: 10, published: {parameters: 6442, source: the net}}
published:
  - {arm: plain, metric: test/accuracy, value: 0.5, source: page 1}
  - {arm: plain, metric: mistaken, classes: ["1", "8"], value: 3, source: page 2}
  - {arm: plain, metric: seconds, value: 9, source: page 3, other_conditions: another machine}
curves:
  - {arm: plain, source: page 4, points: [{epoch: 1, train_loss: 2.3}, {epoch: 2, val_accuracy: 0.2}]}
questions:
  - ask: Which is better?
    answers: [{kind: difference, arms: [conv, plain]}, {kind: counts, networks: [net]}]
  - ask: Which classes?
    answers: [{kind: most-confused, arm: plain}, {kind: per-class, arm: plain}]
quick:
  what: one epoch, one seed, plain only
  arms: [plain]
  train_images: 100
  settings: {epochs: 1}
"""


def write_own(text: str = OWN) -> str:
    """Writes the file into the working folder and returns its name."""
    Path("own.yaml").write_text(text, encoding="utf-8")
    return "own.yaml"
