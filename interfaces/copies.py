"""One image under two names: what was copied or renamed by mistake and is taken for another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from .bids import Visit

_PIECE = 1 << 16
"""Bytes from the middle of a file by which images are told apart: no noise is twice the same."""


def copied_images(visits: Sequence[Visit]) -> list[str]:
    """Sentences on images that are the same, one for each two people or scans.

    A T1w image that stands in several sessions of its own person is no mistake.

    Parameters
    ----------
    visits
        Whose images are compared.
    """
    scans = {path: scan.prefix for v in visits for scan in v.scans
             for path in (*scan.magnitude, *scan.phase)}  # fmt: skip
    people = {v.t1w: v.participant_id for v in visits}
    owners = {**scans, **people}
    pairs: dict[tuple[str, str], list[tuple[Path, Path]]] = {}
    for first, *others in same_images(owners):
        for other in others:
            pair = owners[first], owners[other]
            if pair[0] != pair[1] or first in scans:
                pairs.setdefault(pair, []).append((first, other))
    return [_sentence(found) for found in pairs.values()]


def _sentence(found: Sequence[tuple[Path, Path]]) -> str:
    (first, other), *rest = found
    more = f' (and {len(rest)} more)' if rest else ''
    people = {path.name.split('_')[0] for path in (first, other)}
    what = 'one person is taken for two' if len(people) > 1 else 'one image is taken for two'
    return (
        f'{other.name} is the same image as {first.name}{more}, so that {what}: put the right '
        'one there, or leave one of them out.'
    )


def same_images(paths: Iterable[Path]) -> list[list[Path]]:
    """Files of which several hold the same image, sorted.

    Parameters
    ----------
    paths
        Images; one that cannot be read is the same as no other.
    """
    sizes: dict[int, list[Path]] = {}
    for path in sorted(paths):
        try:
            sizes.setdefault(path.stat().st_size, []).append(path)
        except OSError:
            continue
    alike: dict[tuple[int, bytes], list[Path]] = {}
    for size, candidates in sizes.items():
        for path in candidates if len(candidates) > 1 else ():
            alike.setdefault((size, _middle(path, size)), []).append(path)
    return [found for found in alike.values() if len(found) > 1]


def _middle(path: Path, size: int) -> bytes:
    """Bytes from the middle of a file; its name where it cannot be read."""
    try:
        with path.open('rb') as stream:
            stream.seek(max(0, (size - _PIECE) // 2))
            return stream.read(_PIECE)
    except OSError:
        return str(path).encode(errors='surrogateescape')
