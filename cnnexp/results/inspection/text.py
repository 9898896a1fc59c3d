"""What an inspection found, in sentences and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from cnnexp.experiment.tables import in_markdown, markdown_table
from cnnexp.results.inspection.duplicates import LEAST_SIMILARITY, MOST_BITS, MOST_PAIRS, num_groups
from cnnexp.results.inspection.photo_files import PhotoFiles
from cnnexp.results.inspection.suspects import FOLDS

if TYPE_CHECKING:
    from cnnexp.results.inspection.inspect import Inspection

Row = tuple[str, ...]
FINDINGS_HEADER: Row = (
    "finding", "image", "part", "class", "other image", "other part", "other class", "number", "why",
)  # fmt: skip
UNEVEN = 1.5  # times the images of the smallest class: class weights are worth a try
LISTED = 20  # rows of each kind in the summary
NAMED = 5  # files in a sentence


def sentences(found: Inspection) -> dict[str, str]:
    """Returns a sentence or two for each thing that was looked at, by its name."""
    told = {"images": _images(found), "balance": _balance(found)}
    if found.files is not None:
        told["files"] = _files(found, found.files)
        told["unreadable"] = _unreadable(found)
    told["exact duplicates"] = _exact(found)
    told["near duplicates"] = _near(found)
    told["labels"] = _labels(found) if found.judges_labels else "Not judged (--no-labels)."
    return told


def class_rows(found: Inspection) -> tuple[Row, list[Row]]:
    """Returns header and rows: images of each class in each part, and its share of all."""
    parts = found.part_names
    header = ("class", *parts, *(("all",) if len(parts) > 1 else ()), "share")
    totals, total = found.counts.sum(axis=0), max(int(found.counts.sum()), 1)
    rows = []
    for label, name in enumerate(found.class_names):
        whole = (str(totals[label]),) if len(parts) > 1 else ()
        of_parts = (str(count) for count in found.counts[:, label])
        rows.append((name, *of_parts, *whole, f"{100 * totals[label] / total:.1f} %"))
    return header, rows


def finding_rows(found: Inspection) -> Iterator[Row]:
    """Yields a row under `FINDINGS_HEADER` for each finding about an image, kind by kind."""
    for image in found.bad:
        yield ("unreadable", image.path, "", "", "", "", "", "", image.reason)
    for group in found.exact:
        for row in group[1:].tolist():
            yield ("exact duplicate", *_told(found, row), *_told(found, int(group[0])), "", "")
    near = found.near
    pairs = zip(near.second.tolist(), near.first.tolist(), near.similarity.tolist(), strict=True)
    for row, other, similarity in pairs:
        yield ("near duplicate", *_told(found, row), *_told(found, other), f"{similarity:.4f}", "")
    if found.suspects is not None:
        one = found.suspects
        judged = zip(one.rows.tolist(), one.says.tolist(), one.probability, one.own_probability, strict=True)
        for row, says, share, own in judged:
            why = f"of the label {own:.4f}"
            yield (
                "suspected label",
                *_told(found, row),
                "",
                "",
                found.class_names[says],
                f"{share:.4f}",
                why,
            )


def summary_of(found: Inspection) -> str:
    """Returns the inspection as a page in Markdown: the sentences, the classes, the first of each finding."""
    lines = [f"# {in_markdown(found.name)}", ""]
    lines += [f"- **{name}**: {in_markdown(text)}" for name, text in found.sentences.items()]
    lines += ["", markdown_table(*class_rows(found))]
    kinds: dict[str, list[Row]] = {}
    for row in finding_rows(found):
        kinds.setdefault(row[0], []).append(row)
    for kind, rows in kinds.items():
        more = f", the first {LISTED} of {len(rows)}" if len(rows) > LISTED else ""
        lines += [
            f"## {kind}{more}",
            "",
            markdown_table(
                FINDINGS_HEADER[1:], [row[1:] for row in rows[:LISTED]], names=len(FINDINGS_HEADER) - 1
            ),
        ]
    return "\n".join(lines)


def differs(found: Inspection, rows: Sequence[int]) -> tuple[bool, bool]:
    """Returns whether some images stand in different parts, and whether they have different labels."""
    return len({found.part_name(row) for row in rows}) > 1, len({found.class_name(row) for row in rows}) > 1


def _told(found: Inspection, row: int) -> Row:
    return (found.name_of(row), found.part_name(row), found.class_name(row))


def _images(found: Inspection) -> str:
    frame, good = found.decoded.frame, len(found.good)
    kind = "colour" if frame.channels > 1 else "grey"
    parts = zip(found.part_names, found.counts.sum(axis=1).tolist(), strict=True)
    split = (
        f" ({', '.join(f'{count:,} {name}' for name, count in parts)})" if len(found.part_names) > 1 else ""
    )
    num_classes = len(found.class_names)
    text = (
        f"{_some(good, 'image')}{split} of {num_classes} {'class' if num_classes == 1 else 'classes'}, "
        f"read as {frame.width}×{frame.height} pixels in {kind}, from {found.found.location}."
    )
    if "test" not in found.part_names and num_classes > 1:
        text += " It has no test part of its own: training cuts one, so copies may fall on both sides."
    return text


def _balance(found: Inspection) -> str:
    totals = found.counts.sum(axis=0)
    most, fewest = int(totals.argmax()), int(totals.argmin())
    names = found.class_names
    if len(names) == 1:
        return "There is one class: nothing can be learned from it alone."
    if totals[fewest] == 0:
        return f"No image of {names[fewest]!r} can be read; the largest class is {names[most]!r}."
    ratio = totals[most] / totals[fewest]
    if ratio < 1.005:  # noqa: PLR2004 - rounds to 1.00
        return f"All classes have {totals[fewest]:,} images."
    text = (
        f"The largest class, {names[most]!r} ({totals[most]:,}), has {ratio:.2f} × the images of the "
        f"smallest, {names[fewest]!r} ({totals[fewest]:,})."
    )
    return f"{text} --class-weights balanced weighs them alike." if ratio > UNEVEN else text


def _files(found: Inspection, files: PhotoFiles) -> str:
    widths, heights = files.widths, files.heights
    if not len(widths):
        return "No file has a readable header."
    several = len(np.unique(np.stack([widths, heights]), axis=1).T) > 1
    middle = f"{np.median(widths):.0f}×{np.median(heights):.0f}"
    sizes = (
        f"{widths.min()} to {widths.max()} wide, {heights.min()} to {heights.max()} high, median {middle}"
        if several
        else f"all {middle} pixels"
    )
    text = f"{_counted(files.formats)}; {_counted(files.modes)}; {sizes}; {files.num_bytes / 1e6:,.1f} MB."
    if files.turned:
        text += f" Turned upright, as EXIF says: {files.turned:,}."
    if files.misnamed:
        first = files.misnamed[0].relative_to(found.found.root)
        text += f" With the suffix of another format: {len(files.misnamed):,}, such as {first}."
    return text


def _unreadable(found: Inspection) -> str:
    if not found.bad:
        return "Every file can be read."
    named = "; ".join(f"{image.path} ({image.reason})" for image in islice(found.bad, NAMED))
    more = f"; and {len(found.bad) - NAMED} more" if len(found.bad) > NAMED else ""
    count = _some(len(found.bad), "file")
    return f"{count} cannot be read: {named}{more}. --skip-bad-images trains without them."


def _exact(found: Inspection) -> str:
    if not found.exact:
        return f"None: all images differ, as they are read ({_size(found)})."
    extra = sum(len(group) - 1 for group in found.exact)
    kinds = [differs(found, group.tolist()) for group in found.exact]
    twin, first = (found.name_of(int(row)) for row in found.exact[0][1::-1])
    return (
        f"{_some(len(found.exact), 'image')} with copies, {extra:,} of them, pixel for pixel as they are "
        f"read ({_size(found)}); {_crossing(kinds)}. First: {twin} = {first}."
    )


def _near(found: Inspection) -> str:
    near = found.near
    rule = (
        f"near: at most {MOST_BITS} of 63 bits of a perceptual hash differ and the low frequencies have a "
        f"similarity of {LEAST_SIMILARITY} or more; mirrored or cropped copies are not found"
    )
    if not len(near):
        return f"None ({rule})."
    pairs = zip(near.first.tolist(), near.second.tolist(), strict=True)
    kinds = [differs(found, pair) for pair in pairs]
    least = "" if near.complete else f"at least (the search ends at {MOST_PAIRS:,}) "
    first, second = found.name_of(int(near.first[0])), found.name_of(int(near.second[0]))
    groups = num_groups(near, len(found.labels))
    return (
        f"{least}{_some(len(near), 'pair')} in {_some(groups, 'group')}; {_crossing(kinds)} ({rule}). "
        f"Likest: {second} and {first} ({near.similarity[0]:.3f})."
    )


def _labels(found: Inspection) -> str:
    judge = found.suspects
    if judge is None:
        return f"Not judged: that needs two classes of {FOLDS} images or more."
    largest = np.bincount(found.labels[found.good]).max() / max(len(found.good), 1)
    share = 100 * len(judge) / judge.judged
    text = (
        f"{len(judge):,} of {judge.judged:,} labels ({share:.1f} %) are contradicted by a small classifier "
        f"that had not seen them ({FOLDS}-fold cross-validation). It is right on "
        f"{100 * judge.accuracy:.1f} % (the largest class alone: {100 * largest:.1f} %), so the list holds "
        "its own mistakes too: a weak model finds weak evidence. Look at them, the first ones first, before "
        "changing any."
    )
    if judge.too_small:
        names = ", ".join(repr(found.class_names[label]) for label in judge.too_small[:NAMED])
        text += f" Not judged, fewer than {FOLDS} images: {names}."
    return text


def _crossing(kinds: Sequence[tuple[bool, bool]]) -> str:
    parts, labels = sum(kind[0] for kind in kinds), sum(kind[1] for kind in kinds)
    return f"{parts:,} across parts, {labels:,} with different labels"


def _some(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common())


def _size(found: Inspection) -> str:
    return f"{found.decoded.frame.width}×{found.decoded.frame.height}"
