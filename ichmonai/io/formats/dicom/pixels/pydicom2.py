"""What pydicom 2.4 has under other names, for MONAI Label's environment, which cannot have pydicom 3."""

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.encaps import generate_pixel_data_frame
from pydicom.uid import UID


def generate_frames(buffer: bytes, *, number_of_frames: int, extended_offsets: Any = None) -> Iterator[bytes]:
    """The compressed frames of encapsulated pixel data, as `pydicom.encaps.generate_frames` of pydicom 3 gives them.

    Args:
        buffer: PixelData.
        number_of_frames: in it.
        extended_offsets: not used; frames are told apart by their markers.
    """
    yield from generate_pixel_data_frame(buffer, number_of_frames)


def available_plugins(syntax: UID) -> tuple[str, ...]:
    """The handlers of pydicom that decode a transfer syntax here, by their names as plugins.

    Args:
        syntax: a transfer syntax.
    """
    names = {"pillow_handler": "pillow", "gdcm_handler": "gdcm"}
    return tuple(
        names.get(name := handler.__name__.rpartition(".")[2], name)
        for handler in config.pixel_data_handlers
        if handler.is_available() and handler.supports_transfer_syntax(syntax)  # type: ignore[attr-defined]
    )


def iter_pixels(
    dataset: Dataset, *, indices: Sequence[int], raw: bool, decoding_plugin: str, allow_excess_frames: bool
) -> Iterator[NDArray[Any]]:
    """Decode frames, as `pydicom.pixels.iter_pixels` of pydicom 3 does; here all are decoded for any.

    Args:
        dataset: with grey pixel data.
        indices: of the frames.
        raw: grey pixels have no colours to convert.
        decoding_plugin: `pillow`, `gdcm`, or empty for pydicom's own choice.
        allow_excess_frames: pydicom 2.4 never gives them.
    """
    dataset.convert_pixel_data(decoding_plugin)
    pixels = dataset.pixel_array
    yield from (pixels[index] if pixels.ndim == 3 else pixels for index in indices)
