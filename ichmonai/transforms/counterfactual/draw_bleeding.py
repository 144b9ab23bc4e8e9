"""Draw haemorrhages of other kinds into a normal slice than a training set may have."""

from collections.abc import Sequence

import numpy as np

from ichmonai.classes import KINDS
from ichmonai.transforms.anatomy.binary_image import Mask, bounding_box
from ichmonai.transforms.counterfactual.base import (
    Array,
    Change,
    CounterfactualTransform,
    CounterfactualTransformd,
    Finding,
    paint_blood,
)
from ichmonai.transforms.counterfactual.haemorrhage_kinds import DRAW, make_scene

SEEN = 30.0  # mm2 that differ by SEEN_HU from what was there and from brain
SEEN_HU = 5.0


class RandDrawBleeding(CounterfactualTransform):
    """Draw a haemorrhage of a random kind into a normal slice with a probability, and label it so.

    Subdural crescents, acute to old, epidural lenses, subarachnoid blood in sulci and cisterns, blood in ventricles,
    and irregular haematomas of the brain with oedema, 5 to 60 mm wide. Its label says haemorrhage without a location,
    or for the six labels of RSNA which kind, and its mask where. A slice with a bleeding stays as it is, and so does
    one that has no room for the kind, such as no ventricles.

    Args:
        kinds: of those in `RSNA_LABELS`, equally frequent.
        prob: probability that a normal slice is changed, if it can be.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.

    Raises:
        ValueError: for an unknown kind, or without any.

    Example:
        >>> import numpy as np
        >>> hu = np.full((1, 128, 128), -1000.0, np.float32)
        >>> hu[0, 10:118, 20:108] = 900  # a skull
        >>> hu[0, 16:112, 26:102] = 32  # a brain
        >>> drawn, label = RandDrawBleeding(["epidural"], prob=1)(hu, np.zeros(6, np.float32))
        >>> float(drawn[0, 16:112, 26:102].max()) > 45, label.tolist()
        (True, [1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    """

    smallest = 2000.0  # slices that show less say little about where something is

    def __init__(self, kinds: Sequence[str] = KINDS, prob: float = 0.3, spacing: Sequence[float] | None = None) -> None:
        super().__init__(prob, spacing)
        if not kinds or not set(kinds) <= set(KINDS):
            raise ValueError(f"RandDrawBleeding draws the kinds {', '.join(KINDS)}, not {tuple(kinds)}.")
        self.kinds = tuple(kinds)

    def _change(
        self, image: Array, inside: Mask, blood: Mask | None, pixel: float, rng: np.random.Generator
    ) -> Change | None:
        box = bounding_box(inside, 1)
        scene = make_scene(image[box], inside[box], pixel)
        kind = self.kinds[rng.integers(len(self.kinds))]
        drawn = DRAW[kind](scene, rng)
        if drawn is None:
            return None
        change = drawn.part * (drawn.hu - scene.smoothed)
        differs = (abs(change) > SEEN_HU) & (abs(scene.smoothed + change - scene.level) > SEEN_HU)
        if (differs & scene.inside).sum() * pixel**2 < SEEN:
            return None
        changed = image.copy()
        changed[box] = paint_blood(scene.image, scene.inside, drawn.part, drawn.hu, pixel)
        mask = np.zeros(image.shape, np.uint8)
        mask[box][drawn.blood & scene.inside] = KINDS.index(kind) + 1
        return changed, Finding(mask, (kind,))


RandDrawBleedingd = CounterfactualTransformd.of(RandDrawBleeding)
