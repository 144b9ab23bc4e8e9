"""However a volume lies in memory, the same is found in it."""

import numpy as np
import pytest

from ichmonai.datasets.phantom import make_study
from ichmonai.transforms.anatomy.binary_image import interleaved
from ichmonai.transforms.anatomy.head_mask import head_mask
from ichmonai.transforms.anatomy.intracranial import brain_content, intracranial_mask

LAYOUTS = {
    "slice by slice": lambda volume: np.moveaxis(np.moveaxis(volume, -1, 0).copy(), 0, -1),
    "pixel by pixel": np.ascontiguousarray,
    "columns first": np.asfortranarray,
    "backwards": lambda volume: volume[..., ::-1].copy()[..., ::-1],
}


@pytest.fixture(scope="module", params=["float32", "int16"])
def volume(request: pytest.FixtureRequest) -> np.ndarray:
    """A head with an edge that no step of the working grid divides."""
    return make_study(3, "lobar", size=300).hu[:299, :297].astype(request.param)


@pytest.mark.parametrize("find", [head_mask, brain_content, intracranial_mask])
def test_the_same_is_found(volume: np.ndarray, find) -> None:
    found = {name: find(laid(volume)) for name, laid in LAYOUTS.items()}
    assert found["slice by slice"].any()
    for one in found.values():
        np.testing.assert_array_equal(one, found["slice by slice"])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_mask_of_the_head_lies_as_its_image(volume: np.ndarray, layout: str) -> None:
    image = LAYOUTS[layout](volume)
    order = np.argsort(np.abs(image.strides))
    np.testing.assert_array_equal(np.argsort(np.abs(head_mask(image).strides)), order)


def test_only_slices_that_lie_side_by_side_are_interleaved(volume: np.ndarray) -> None:
    found = {name for name, laid in LAYOUTS.items() if interleaved(laid(volume))}
    assert found == {"pixel by pixel", "backwards"}
    assert not interleaved(volume[..., :1].copy())
