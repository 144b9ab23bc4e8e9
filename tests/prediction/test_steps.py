import hashlib

import pytest
import torch
from monai.transforms import Compose, Lambdad

from ichmonai.io.findings import Code, HeadCTReadError
from ichmonai.prediction.steps import checked


@pytest.mark.parametrize("error", [HeadCTReadError("No head.", Code.NOT_HEAD), IndexError("out of range")])
def test_what_a_transform_raises_comes_out_as_it_is(error):
    def fail(_):
        raise error

    with pytest.raises(type(error)) as caught:
        checked(Compose([Lambdad("image", fail)]), {"image": "a.nii"})
    assert caught.value is error


def test_the_digest_is_of_shape_and_values():
    hu = torch.arange(24.0).reshape(1, 2, 3, 4)
    found = {checked(Compose([Lambdad("image", lambda _, one=one: one)]), {"image": ""})["sha256"] for one in (
        hu, hu.clone(), hu.transpose(1, 2).contiguous().transpose(1, 2),
    )}  # fmt: skip
    slices_first = hu.movedim(-1, 0).contiguous().numpy()
    assert found == {hashlib.sha256(b"(1, 2, 3, 4)" + slices_first.tobytes()).hexdigest()}
