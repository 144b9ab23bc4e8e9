"""Volumes whose header and voxels are two files (.hdr and .img): which belongs to which."""

from pathlib import Path

from ichmonai.io.suffixes import PAIR_SUFFIXES, PAIR_VOXEL_SUFFIXES


def voxels_of(header: Path) -> Path | None:
    """The voxels beside a header, or None."""
    return _other_half(header, PAIR_SUFFIXES, PAIR_VOXEL_SUFFIXES)


def header_of(voxels: Path) -> Path | None:
    """The header beside voxels, or None."""
    return _other_half(voxels, PAIR_VOXEL_SUFFIXES, PAIR_SUFFIXES)


def _other_half(path: Path, own: tuple[str, ...], others: tuple[str, ...]) -> Path | None:
    suffix = next(one for one in reversed(own) if path.name.lower().endswith(one))
    stem = path.name[: -len(suffix)]
    # Both are compressed, or neither; but both of other mixtures are found as well.
    order = sorted(others, key=lambda one: one.endswith(".gz") != suffix.endswith(".gz"))
    beside = (path.with_name(stem + spelled) for one in order for spelled in (one, one.upper()))
    return next((one for one in beside if one.is_file()), None)
