"""Where the boxes of a network go: one below the other in order, branches side by side in lanes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Arrow = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Lanes:
    """A place for every box and arrow.

    Attributes:
        level: of each box, from the top; an arrow goes down by one or more.
        lane: of each box; the longest way is in lane 0.
        arrow_lane: the lane each arrow goes down in.
        num_lanes: how many there are.
    """

    level: tuple[int, ...]
    lane: tuple[int, ...]
    arrow_lane: dict[Arrow, int]
    num_lanes: int


class _Booked:
    """Which levels of each lane are taken."""

    def __init__(self) -> None:
        self.lanes: list[set[int]] = [set()]

    def book(self, levels: Iterable[int], *, first: int = 1) -> int:
        """Takes levels in the leftmost lane that has them all free."""
        wanted = set(levels)
        for lane in range(first, len(self.lanes)):
            if not self.lanes[lane] & wanted:
                self.lanes[lane] |= wanted
                return lane
        self.lanes.append(wanted)
        return len(self.lanes) - 1


def lay_out(count: int, arrows: Sequence[Arrow]) -> Lanes:
    """Places boxes 0..count-1, whose arrows all lead from a lower number to a higher one."""
    level = [0] * count
    for start, end in sorted(arrows, key=lambda arrow: arrow[1]):
        level[end] = max(level[end], level[start] + 1)
    lane, booked, inner = [-1] * count, _Booked(), set[Arrow]()
    for number, chain in enumerate(_chains(count, arrows)):
        before = [start for start, end in arrows if end == chain[0]]
        after = [end for start, end in arrows if start == chain[-1]]
        top = min((level[one] for one in before), default=level[chain[0]] - 1) + 1
        bottom = max((level[one] for one in after), default=level[chain[-1]] + 1)
        taken = booked.book(range(top, bottom), first=0 if number == 0 else 1)
        inner |= set(pairwise(chain))
        for box in chain:
            lane[box] = taken
    return Lanes(
        tuple(level), tuple(lane), _arrow_lanes(arrows, level, lane, inner, booked), len(booked.lanes)
    )


def _arrow_lanes(
    arrows: Sequence[Arrow], level: Sequence[int], lane: Sequence[int], inner: set[Arrow], booked: _Booked
) -> dict[Arrow, int]:
    """An arrow goes down in the lane of the branch it begins or ends; one that skips boxes, in its own."""
    found: dict[Arrow, int] = {}
    for start, end in sorted(arrows, key=lambda arrow: level[arrow[1]] - level[arrow[0]]):
        between = range(level[start] + 1, level[end])
        if (start, end) in inner or not between:
            found[start, end] = lane[end] if lane[end] != lane[start] else lane[start]
        elif lane[start] != lane[end]:
            found[start, end] = max(lane[start], lane[end])
        else:
            found[start, end] = booked.book(between)
    return found


def _chains(count: int, arrows: Sequence[Arrow]) -> list[list[int]]:
    """Parts the boxes into ways: always the longest among the boxes that are left."""
    left, chains = set(range(count)), []
    while left:
        length, following = dict.fromkeys(left, 1), {}
        for start, end in sorted(arrows, reverse=True):
            if start in left and end in left and length[end] + 1 > length[start]:
                length[start], following[start] = length[end] + 1, end
        box = min(left, key=lambda one: (-length[one], one))
        chain = [box]
        while chain[-1] in following:
            chain.append(following[chain[-1]])
        left -= set(chain)
        chains.append(chain)
    return chains
