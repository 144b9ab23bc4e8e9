"""What is read at most, whatever headers declare, and what a head CT can plausibly be."""

from ichmonai.io.findings import Code, HeadCTReadError

AIR_HU = -1024.0
"""The lowest HU that is kept: scanners mark pixels outside their field of view with values far below air."""

# Of a series.
MIN_SLICES = 10
"""A brain is about 130 mm high, and no head protocol has slices thicker than 10 mm: with fewer, most is not shown."""
MIN_COVERAGE = 80.0
"""Extent in mm along the slices' normal; a newborn's brain is about as high."""
MAX_COVERAGE = 2500.0
"""Plausible extent along the patient in mm: no table moves farther."""
MAX_OBLIQUITY = 35.0
"""Degrees between the slices' normal and the patient's axis: gantries tilt up to 30, and heads lie a little askew."""
MIN_TILT = 1.0
"""Degrees from which on a gantry tilt is told."""
MAX_SHEAR = 45.0
"""Degrees between the slices' normal and the line that they are stacked along; no gantry tilts so far."""
PIXEL_SPACING = (0.1, 3.0)
"""Plausible PixelSpacing of a head CT, in mm: 0.4 to 1 is usual."""
SLICE_DISTANCE = (0.1, 25.0)
"""Plausible median distance of slices, in mm."""
FIELD_OF_VIEW = (100.0, 800.0)
"""Plausible extent of a slice, in mm: an infant's head, and the widest bore."""
MAX_THICKNESS = 1000.0
"""SliceThickness in mm; what is said beyond it is damage."""
MAX_KVP = 1000.0
"""Tube voltage in kV; what is said beyond it is damage."""
MAX_POSITION = 1e5
"""ImagePositionPatient in mm, 100 m; what is said beyond it is damage."""
MIN_SIDE = 64
"""Rows and columns of a slice image; with fewer, no bleeding can be seen."""
MAX_SIDE = 2048
"""Rows or columns of a slice; the largest CT matrix in use has 1024, or 2048 with photon counting."""
MAX_VOXELS = 2**29
"""Voxels of a series: 2 GiB as float32, or 2048 slices of 512 x 512."""
MAX_ACQUISITIONS = 1000
"""In one series; where damaged headers say that there are more, they divide nothing."""

# Of a file.
MAX_BYTES = 8 * MAX_VOXELS + 2**26
"""As many voxels as are read, each of 8 bytes, and a header."""
MAX_HEADER_BYTES = 2**25
"""Read for the header of one file; the functional groups of a thousand frames take a few MiB."""
MAX_READS = 2**20
"""Calls for the header of one file: each element of a sequence takes some, and hundreds of bytes in memory."""
MAX_DEFLATED_BYTES = 2**20
"""Of a deflated DICOM file, which pydicom inflates as a whole. A CT image of one frame fits in; DEFLATE grows it to
1 GB at most."""
MAX_FRAMES = 20_000
"""Far above any head CT; more headers than this from one file are a fault or an attack."""
MAX_ITEMS = 250_000
"""Items of a sequence, with those nested in it; each takes a KiB of memory, and none of its length in the file."""
MAX_TEXT_HEADER = 65536
"""Bytes of an NRRD or MetaImage header, which have a few hundred."""
MAX_NRRD_LINE = 256
"""Characters of a field's line: ITK writes what it does not understand of longer ones beyond the end of its buffers."""
MAX_DIMENSIONS = 16
"""That a volume is said to have, before it is refused for having other than three."""
MAX_NIFTI_OFFSET = 2**26
"""Bytes of a NIfTI header with its extensions, which are read as a whole."""

# Of a zip archive.
MAX_MEMBERS = 500_000
"""Its directory is held in memory."""
MAX_DIRECTORY_BYTES = 2**27
"""Of the directory; an entry has 46 bytes and a name."""
MAX_NAME = 4096
"""Characters of a member's name, as many as file systems allow a path."""
MAX_MEMBER_BYTES = 4 * 2**30
"""Inflated size of one member: above it no head CT fits into memory as float32."""
MAX_TOTAL_BYTES = 256 * 2**30
"""Inflated size of all members: some five hundred thousand CT images."""
MAX_RATIO = 200
"""Inflated by stored size. CT images reach 5, images of nothing 1000, which is as far as DEFLATE goes: the ratio
counts only from `SUSPICIOUS_BYTES` on."""
SUSPICIOUS_BYTES = 64 * 2**20
"""Inflated size from which on the ratio counts."""

# Of folders and lists.
MAX_ROW = 2**18
"""Characters of a row of a csv; a path has up to 4096."""
MAX_TEXT_HEADERS = 1000
"""Headers in one folder, of which the names of voxels are looked for."""


def too_large(rows: int, columns: int, slices: int) -> str:
    """What is too many, as the rest of a sentence; empty where it is not.

    Args:
        rows: said by the header, as the next two.
        columns: of a slice.
        slices: in all.
    """
    if max(rows, columns) <= MAX_SIDE and max(rows * columns, 1) * slices <= MAX_VOXELS:
        return ""
    return (
        f"{plural(slices)} of {_count(rows)} x {_count(columns)} pixels; at most {MAX_SIDE} a side and {MAX_VOXELS} "
        "in all are read, so give a smaller reconstruction."
    )


def check_size(name: str, rows: int, columns: int, slices: int) -> None:
    """Refuse what would not fit into memory, before anything is allocated.

    Args:
        name: of what it is, for the sentence.
        rows: said by the header, as the next two.
        columns: of a slice.
        slices: in all.

    Raises:
        HeadCTReadError: `TOO_LARGE`.
    """
    if too_many := too_large(rows, columns, slices):
        raise HeadCTReadError(f"{name} has {too_many}", Code.TOO_LARGE)


def plural(count: int) -> str:
    """A number of slices, in words."""
    return "1 slice" if count == 1 else f"{_count(count)} slices"


def _count(number: int) -> str:
    return str(number) if number < 10**12 else "more than 10^12"  # a header may have thousands of digits
