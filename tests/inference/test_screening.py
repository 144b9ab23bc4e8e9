import pytest
from monai.transforms import Compose, Lambdad

from ichmonai.inference.screening import checked
from ichmonai.io.findings import Code, HeadCTReadError


@pytest.mark.parametrize("error", [HeadCTReadError("No head.", Code.NOT_HEAD), IndexError("out of range")])
def test_what_a_transform_raises_comes_out_as_it_is(error):
    def fail(_):
        raise error

    with pytest.raises(type(error)) as caught:
        checked(Compose([Lambdad("image", fail)]), {"image": "a.nii"})
    assert caught.value is error
