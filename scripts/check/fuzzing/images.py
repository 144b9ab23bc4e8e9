"""Targets that find and read images."""

import io
import os
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ichmonai.digests import sha256_of_hu
from ichmonai.io import HeadCTReadError, ImageHeader, Rejection, load_head_ct, scan
from ichmonai.io.discovery.find import usable_series
from ichmonai.io.findings import ACCEPTABLE
from ichmonai.io.header import Kind
from scripts.check.fuzzing import seeds
from scripts.check.fuzzing.mutations import mutate_bytes, mutate_lines
from scripts.check.fuzzing.oracles import Target, ViolationError, check_sentence
from scripts.check.fuzzing.structures import (
    mutate_dicom,
    mutate_files,
    mutate_gzip,
    mutate_nifti,
    mutate_zip,
    pack,
    unpack,
)


def read(inputs: list[Path], pixels: bool = True) -> str:
    """Discover, group, choose and read, and account for everything on the way.

    Returns:
        `image` where one was read, else the code of the first rejection, or `other`.
    """
    return judge_found(list(scan(inputs, workers=1)), pixels)


def judge_found(found: list, pixels: bool = True) -> str:
    """As `read`, of what was discovered."""
    if not found:
        raise ViolationError("silent", "nothing was said of the inputs")
    studies = defaultdict(list)
    refused, told = [], []
    for one in found:
        if isinstance(one, ImageHeader):
            if ImageHeader.from_json(one.to_json()) != one:
                raise ViolationError("changed", "a header is another after the journal", "header")
            studies[one.study].append(one)
        elif isinstance(one, Rejection):
            refused.append(one)
    for headers in studies.values():
        usable, rejected = usable_series(headers, ACCEPTABLE, every=True)
        refused += rejected
        told += usable
        _account(headers, usable, rejected)
    for one in refused:
        check_sentence(one.finding.sentence, one.path, one.series, one.study)
    outcome = ""
    for one in told:
        for finding in one.findings:
            check_sentence(finding.sentence, one.series, str(one.images[0]))
        if pixels:
            outcome = _load(one.images, studies[one.study], one.series) or outcome
    # What the headers refuse, the reader has to survive as well.
    if pixels and not told:
        for header in [one for headers in studies.values() for one in headers][:2]:
            _load((header.source,), (), "")
    if outcome == "image" or (told and not pixels):
        return "image"
    return outcome or (refused[0].finding.code.value if refused else "other")


def _account(headers: Iterable[ImageHeader], usable: Iterable, rejected: Iterable[Rejection]) -> None:
    placed = {image for one in usable for image in one.images}
    names = {re.sub(r"#\d+$", "", one.series) for one in rejected}
    for one in headers:
        if one.source not in placed and re.sub(r"#\d+$", "", one.series) not in names:
            copies = any(str(code) for series in usable for code, _ in series.findings if code == "duplicates")
            if not copies:
                raise ViolationError("silent", f"image {one.source} is in no series and not rejected", "image")


def _load(images: tuple, headers: Iterable[ImageHeader], name: str) -> str:
    try:
        image = load_head_ct(images if len(images) > 1 else images[0])
    except HeadCTReadError as error:
        check_sentence(str(error), name, str(images[0]))
        return error.code.value
    hu = image.numpy()
    if hu.dtype != np.float32 or not np.isfinite(hu).all() or hu.min() < -1024 or hu.size == 0:
        raise ViolationError("values", f"HU {hu.dtype} {hu.shape} from {hu.min()} to {hu.max()}", "values")
    for code, sentence in image.meta["findings"]:
        check_sentence(sentence, name, str(images[0]))
        if not code:
            raise ViolationError("sentence", "a finding without a code", "code")
    header = next((one for one in headers if one.source == images[0]), None)
    if header is not None and header.kind is not Kind.DICOM:
        said = (header.rows, header.columns, *([] if header.kind is Kind.PICTURE else [header.slices]))
        if hu.shape[1:] != said:
            raise ViolationError("changed", f"the header says {said} and the reader {hu.shape[1:]}", "shape")
    sha256_of_hu(hu)
    return "image"


def _single(suffix: str, pixels: bool = True):
    def run(folder: Path, data: bytes) -> str:
        path = folder / f"input{suffix}"
        path.write_bytes(data)
        return read([path], pixels)

    return run


def _picture(folder: Path, data: bytes) -> str:
    kinds = {b"\x89P": ".png", b"BM": ".bmp"}
    path = folder / f"input{kinds.get(data[:2], '.jpg')}"
    path.write_bytes(data)
    return read([path])


def spread(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write the files of an input below a folder; names that cannot be are left out."""
    written = []
    for name, content in files.items():
        path = folder / name.replace("\0", "")
        if ".." in path.parts or folder not in path.parents:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            written.append(path)
        except OSError:
            continue
    return written


def _tree(folder: Path, data: bytes) -> str:
    """A folder of files; each has to be told of once."""
    try:
        files = unpack(data)
    except Exception:  # no mutation of ours
        return "no input"
    spread(folder, files)
    found = list(scan([folder], workers=1))
    outcome = judge_found(found)
    _account_files(folder, found)
    return outcome


def _account_files(folder: Path, found: list) -> None:
    told: dict[str, list[str]] = defaultdict(list)
    for one in found:
        if isinstance(one, ImageHeader):
            told[str(one.source)].append("image")
        else:
            told[one.path].append(type(one).__name__)
    for place, kinds in told.items():
        if len(set(kinds)) > 1 and not (set(kinds) == {"image", "Rejection"} and ".zip/" in place):
            raise ViolationError("silent", f"{place} is told of as {kinds}", "twice")
    for top, _, names in os.walk(folder):
        for name in names:
            path = f"{top}/{name}"
            if not any(place == path or place.startswith(f"{path}/") for place in told):
                raise ViolationError("silent", f"nothing is said of {path}", Path(path).suffix)


def _zip(folder: Path, data: bytes) -> str:
    path = folder / "input.zip"
    path.write_bytes(data)
    found = list(scan([path], workers=1))
    outcome = judge_found(found)
    try:
        members = [info for info in zipfile.ZipFile(path).infolist() if not info.is_dir()]
    except Exception:  # as many kinds as damages
        return outcome
    places = {one.source.member if isinstance(one, ImageHeader) else "" for one in found}
    whole = any(isinstance(one, Rejection) and one.path == str(path) for one in found)
    if not whole and len(found) < len({info.filename for info in members}):
        raise ViolationError(
            "silent", f"{len(members)} members, {len(found)} told of ({sorted(places)[:3]})", "members"
        )
    return outcome


def _listed(name: str):
    def run(folder: Path, data: bytes) -> str:
        try:
            files = unpack(data)
        except Exception:
            return "no input"
        spread(folder, files)
        if not (folder / name).is_file() or _names_all_of_the_disk(files[name]):
            return "no input"
        return read([folder / name])

    return run


def _names_all_of_the_disk(content: bytes) -> bool:
    """Whether a cell is the root folder: it would be read as is asked, and tell of this machine and not of the code."""
    return any(set(cell.strip(b" \"'")) == {ord("/")} for cell in re.split(rb"[\s,;]", content))


def _csv_seeds() -> dict[str, bytes]:
    series = seeds.dicom_series(range(12, 16))
    lines = "\n".join(series)
    volume = {"a.nii": seeds.nifti()["first"]}
    return {
        "column": pack({"list.csv": f"study,path\n1,{lines.splitlines()[0]}\n2,a.nii\n".encode(), **series, **volume}),
        "plain": pack({"list.csv": f"{lines}\na.nii\n".encode(), **series, **volume}),
        "folder": pack({"list.csv": b"image\nseries\n", **series}),
    }


def _zip_seeds() -> dict[str, bytes]:
    files = {}
    for name, method in (
        ("stored", zipfile.ZIP_STORED),
        ("deflated", zipfile.ZIP_DEFLATED),
        ("lzma", zipfile.ZIP_LZMA),
    ):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            content = {
                **dict(list(seeds.dicom_series().items())[:2]),
                "a.nii.gz": seeds.nifti_gz()["first"],
                "b.txt": b"x",
            }
            content |= {"c.png": seeds.pictures()["L.png"]}
            for member, data in content.items():
                archive.writestr(zipfile.ZipInfo(member), data, method)
        files[name] = buffer.getvalue()
    return files


def _tree_seeds() -> dict[str, bytes]:
    series = seeds.dicom_series(range(12, 16))
    mixed = {"a.nii": seeds.nifti()["first"], "b.png": seeds.pictures()["L.png"], "c.nrrd": seeds.nrrd()["gzip"]}
    mixed |= {"d.mha": seeds.metaimage()["raw"], "e.txt": b"text", "f.zip": _zip_seeds()["stored"]}
    return {"series": pack(series), "mixed": pack(mixed), "medium": pack(seeds.dicomdir())}


TARGETS = (
    Target("dicom_header", seeds.dicom, _single(".dcm", pixels=False), mutate_dicom),
    Target("dicom_pixels", seeds.dicom, _single(".dcm"), mutate_dicom),
    Target("nifti", seeds.nifti, _single(".nii"), mutate_nifti),
    Target("nifti_gz", seeds.nifti_gz, _single(".nii.gz"), mutate_gzip),
    Target("nrrd", seeds.nrrd, _single(".nrrd"), mutate_lines),
    Target("metaimage", seeds.metaimage, _single(".mha"), mutate_lines),
    Target("picture", seeds.pictures, _picture, mutate_bytes),
    Target("zip", _zip_seeds, _zip, mutate_zip),
    Target("csv_of_paths", _csv_seeds, _listed("list.csv"), mutate_files),
    Target("dicomdir", lambda: {"medium": pack(seeds.dicomdir())}, _listed("DICOMDIR"), mutate_files),
    Target("folder", _tree_seeds, _tree, mutate_files),
)
