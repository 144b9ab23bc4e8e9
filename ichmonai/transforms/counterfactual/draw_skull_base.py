"""Draw the parts of the skull base that a slice of a tilted head shows on one side more than on the other."""

from collections.abc import Sequence

import numpy as np

from ichmonai.transforms.counterfactual.base import Array
from ichmonai.transforms.counterfactual.haemorrhage_kinds import Scene, cloud
from ichmonai.transforms.counterfactual.mimic import MimicTransform, MimicTransformd, beside, places, soft, stroke

BONE_HU = (55.0, 600.0)  # above the brain, where it fills the slice
PARTS = {  # points from the skull inwards, towards the back and to the left, and half their widths in mm
    "petrous ridge": (((0.32, 1.05), (0.1, 0.6), (-0.08, 0.28)), (9.0, 6.0, 2.5)),
    "sphenoid ridge": (((-0.45, 1.05), (-0.38, 0.7), (-0.3, 0.3)), (6.0, 2.5, 1.2)),
    "orbital roof": (((-0.75, 0.52), (-0.66, 0.33)), (9.0, 6.0)),
    "occipital bone": (((1.05, 0.06), (0.8, 0.0)), (7.0, 1.5)),
}
HIGH = 2  # from here on they are seen above the skull base, too
SEEN = 0.08  # share of a part from which it is seen
GRAZED = 0.4  # how much of them is seen there


class RandDrawSkullBase(MimicTransform):
    """Draw petrous and sphenoid ridges, orbital roofs or the occipital bone with a probability; label and mask stay.

    The slice of a head that is tilted shows them on one side more, or on one alone, sharp or as a soft patch as bright
    as blood, where it only grazes them. Blood stays as it is.

    Args:
        tilt: the most that the sides differ, from 0, both alike, to 1, one alone.
        prob: probability that they are drawn.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.

    Raises:
        ValueError: if the tilt is not between 0 and 1.

    Example:
        >>> hu = np.full((1, 128, 128), -1000.0, np.float32)
        >>> hu[0, 10:118, 20:108] = 900  # a skull
        >>> hu[0, 16:112, 26:102] = 32  # a brain
        >>> drawn = RandDrawSkullBase(prob=1).set_random_state(seed=0)(hu).numpy()
        >>> bool((drawn >= hu).all()), bool((drawn[0, 17:111, 27:101] > 45).any())
        (True, True)
    """

    smallest = 3000.0

    def __init__(self, tilt: float = 1.0, prob: float = 0.2, spacing: Sequence[float] | None = None) -> None:
        super().__init__(prob, spacing)
        if not 0 <= tilt <= 1:
            raise ValueError(f"RandDrawSkullBase needs a tilt from 0 to 1, not {tilt}.")
        self.tilt = tilt

    def _draw(self, scene: Scene, low: bool, rng: np.random.Generator) -> Array | None:
        where = places(scene)
        tilt = rng.uniform(-self.tilt, self.tilt)
        names = rng.permutation(list(PARTS) if low else list(PARTS)[HIGH:])[: rng.integers(1, 4)]
        added = np.zeros(scene.image.shape, np.float32)
        for name in names:
            points, widths = (np.array(values) for values in PARTS[str(name)])
            height = rng.uniform(0.1, 0.8) * (1 if low else GRAZED)  # how much of it lies in the slice
            moved, stretched = rng.normal(0, 0.04, 2), rng.uniform(0.7, 1.3)
            for side in (-1, 1):
                share = height * (1 + side * tilt)
                if share < SEEN:
                    continue
                wobbling = points * [1, side] + moved * [1, side] + rng.normal(0, 0.02, points.shape)
                edge = stroke(scene, *where, wobbling, widths * stretched * (0.3 + 0.7 * share))
                fade = rng.uniform(1, 3) + 5 * np.clip(1 - share, 0, 1)
                uneven = edge + 1.2 * cloud(scene, rng, 12) + 0.4 * cloud(scene, rng, 5)
                hu = BONE_HU[0] * (BONE_HU[1] / BONE_HU[0]) ** min(share * rng.uniform(0.3, 1), 1) - 40
                added = np.maximum(added, soft(uneven, fade) * hu * (1 + 0.15 * cloud(scene, rng, 4)))
        return (scene.image + added.clip(0) * beside(scene)).astype(np.float32)


RandDrawSkullBased = MimicTransformd.of(RandDrawSkullBase)
