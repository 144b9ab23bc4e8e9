"""The check of which pictures get an answer."""

import numpy as np
import pytest


@pytest.mark.slow
def test_drawn_pictures_are_read():
    from scripts.check.pictures import drawn

    found = list(drawn(seed=1, each=1))
    assert {kind for kind, *_ in found} == {"phantom", "foreign"}
    assert all(hu.dtype == np.float32 and hu.ndim == 2 for _, _, hu, _ in found)
    assert any(coloured for *_, coloured in found)
