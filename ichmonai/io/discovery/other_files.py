"""Files that are none of the images that are read: which are certainly no image, and what the others are.

A file is counted, and not named, only where one of these holds: its name is one that systems give to what they keep for
themselves; its suffix is one of documents, tables, programs, models or films (`_OTHER`); it holds text, or begins like
a document or program; or it holds the voxels of a header beside it, which is the image. Every other file is named, with
what it seems to be: it may be an image that lost its beginning.
"""

import functools
import itertools
from pathlib import Path, PurePath

from ichmonai.io.files.archives import open_archive
from ichmonai.io.formats import format_of, format_of_voxels, formats
from ichmonai.io.limits import MAX_TEXT_HEADERS
from ichmonai.io.series import ImageSource

_OTHER_TEXT = (
    ".txt .md .rst .csv .tsv .json .jsonl .ndjson .xml .xsl .html .htm .css .js .ts .yaml .yml .toml .ini .cfg "
    ".conf .inf .log .pdf .ps .rtf .doc .docx .xls .xlsx .ppt .pptx .odt .ods .tex .bib .ipynb .py .pyc .pyi "
    ".pyo .r .m .c .h .cpp .hpp .java .jar .class .sh .bat .cmd .ps1 .exe .dll .so .dylib .msi .app .cab .sys "
    ".lnk .url .sqlite .db .db-journal .sqlite-wal .sqlite-shm .parquet .arrow .feather .pkl .pickle .joblib "
    ".pt .pth .ckpt .onnx .safetensors .tflite .pb .xmind .svg .ico .ttf .otf .woff .woff2 .eot .mp3 .wav .mp4 "
    ".avi .mov .mkv .wmv .lock .md5 .sha1 .sha256 .sig .asc .pem .crt .trk .tck .trx .gii .annot .label .stl "
    ".obj .ply .bval .bvec .sql"
)
_OTHER = frozenset(_OTHER_TEXT.split())
_NAMES = frozenset(("thumbs.db", "desktop.ini", "autorun.inf", "dicomdir"))
_UNREAD = {
    ".mnc": "a MINC volume",
    ".par": "the header of a Philips PAR/REC volume, which is MR",
    ".rec": "the voxels of a Philips PAR/REC volume, which is MR",
    ".head": "the header of an AFNI volume",
    ".brik": "the voxels of an AFNI volume",
    ".v": "an ECAT volume",
    ".gipl": "a GIPL volume",
    ".vtk": "a VTK volume",
    ".vti": "a VTK volume",
    ".h5": "an HDF5 file",
    ".hdf5": "an HDF5 file",
    ".npy": "a NumPy array",
    ".npz": "a file of NumPy arrays",
    ".mat": "a Matlab file",
    ".tif": "a TIFF image",
    ".tiff": "a TIFF image",
    ".gif": "a GIF image",
    ".webp": "a WebP image",
    ".jp2": "a JPEG 2000 image",
    ".j2k": "a JPEG 2000 image",
    ".jls": "a JPEG-LS image",
    ".heic": "a HEIC image",
}
_CONTENTS = {
    b"\x89PNG": "a PNG image by its content, and not by its name",
    b"\xff\xd8\xff": "a JPEG image by its content, and not by its name",
    b"NRRD000": "an NRRD volume by its content, and not by its name",
    b"GIF8": "a GIF image",
    b"II*\0": "a TIFF image",
    b"MM\0*": "a TIFF image",
    b"CDF": "a MINC volume",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "compressed",
    b"BZh": "compressed",
    b"\xfd7zXZ": "compressed",
    b"\x28\xb5\x2f\xfd": "compressed",
    b"PK\3\4": "a zip archive by its content, and not by its name",
    b"%PDF": "",
    b"MZ": "",
    b"\x7fELF": "",
    b"SQLite format 3": "",
}
"""First bytes; of what is certainly no image, nothing."""
_SPACES = b"\t\n\r\f\b\x1b"


def what_is_it(source: ImageSource, start: bytes) -> str | None:
    """What a file is that is none of the images that are read.

    Args:
        source: where it is.
        start: its first bytes.

    Returns:
        A few words; None where it is certainly no image.
    """
    name = PurePath(source.member or source.path).name.lower()
    if name in _NAMES:
        return None
    whole = format_of_voxels(name)
    if (whole or not _is_text(start)) and _belongs_to_header(source):
        return None
    if whole:
        return whole.orphan
    plain = PurePath(name.removesuffix(".gz").removesuffix(".bz2").removesuffix(".xz").removesuffix(".zst"))
    if plain.suffix in _OTHER:
        return None
    if what := _UNREAD.get(plain.suffix):
        return what
    if name != plain.name:
        return "compressed"
    for magic, what in _CONTENTS.items():
        if start.startswith(magic):
            return what or None
    if not start:
        return "empty"
    return None if _is_text(start) else "of no kind that is known"


def _is_text(start: bytes) -> bool:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16
        return True
    high = sum(byte > 127 for byte in start)
    return bool(start) and high <= len(start) // 2 and not any(byte < 32 and byte not in _SPACES for byte in start)


def _belongs_to_header(source: ImageSource) -> bool:
    path = Path(source.member or source.path)
    stem = path.name.removesuffix(".gz").rpartition(".")[0]
    suffixes = [suffix for one in formats() if one.voxel_suffixes for suffix in one.suffixes]
    headers = [path.with_name(stem + spelled) for one in suffixes for spelled in (one, one.upper())]
    if source.member:
        return bool({one.as_posix() for one in headers} & open_archive(source.path).NameToInfo.keys())
    if stem and any(one != path and one.is_file() for one in headers):
        return True
    return path.name in _named_voxels(str(path.parent), path.parent.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _named_voxels(folder: str, _mtime: int) -> frozenset[str]:
    """Names of the files that text headers of a folder keep their voxels in."""
    found = ((format_of(one.name), one) for one in Path(folder).iterdir())
    headers = ((one, path) for one, path in found if one and one.voxel_suffixes and path.is_file())
    voxels = (one.other_files(ImageSource(str(path))) for one, path in itertools.islice(headers, MAX_TEXT_HEADERS))
    return frozenset(file.name for files in voxels for file in files)
