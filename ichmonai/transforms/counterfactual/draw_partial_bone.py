"""Draw bone that fills a slice in part, as where the slice grazes it, near the vertex and the skull base."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ichmonai.transforms.counterfactual.base import Array
from ichmonai.transforms.counterfactual.haemorrhage_kinds import Scene, cloud
from ichmonai.transforms.counterfactual.mimic import MimicTransform, MimicTransformd, beside, places

ANGLES = 180
BONE_HU = (25.0, 400.0)  # above the brain, at the inner table where most of the slice is bone


class RandDrawPartialBone(MimicTransform):
    """Let the skull grow inwards with a probability, softly, unevenly and on one side more; label and mask stay.

    Its HU fall from those of bone to those of brain over millimetres, as where a slice cuts it at a flat angle; what is
    between looks like a layer of blood. Blood stays as it is.

    Args:
        depth: least and most mm over which it falls.
        prob: probability that it is drawn.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.

    Raises:
        ValueError: if the depths are not positive and in order.

    Example:
        >>> hu = np.full((1, 128, 128), -1000.0, np.float32)
        >>> hu[0, 10:118, 20:108] = 900  # a skull
        >>> hu[0, 16:112, 26:102] = 32  # a brain
        >>> drawn = RandDrawPartialBone(prob=1).set_random_state(seed=0)(hu).numpy()
        >>> bool((drawn >= hu).all()), bool((drawn[0, 17:111, 27:101] > 45).any()), float(drawn[0, 64, 64])
        (True, True, 32.0)
    """

    smallest = 500.0  # the vertex is small

    def __init__(
        self, depth: tuple[float, float] = (2.0, 9.0), prob: float = 0.25, spacing: Sequence[float] | None = None
    ) -> None:
        super().__init__(prob, spacing)
        if not 0 < depth[0] <= depth[1]:
            raise ValueError(f"RandDrawPartialBone needs two positive depths in order, not {depth}.")
        self.depth = depth

    def _draw(self, scene: Scene, low: bool, rng: np.random.Generator) -> Array | None:
        back, left, _ = places(scene)
        angle = (np.arctan2(left, -back) * (ANGLES / (2 * np.pi))) % ANGLES
        wave = ndimage.gaussian_filter1d(rng.normal(size=ANGLES), rng.uniform(6, 25), mode="wrap")
        side = np.cos((np.arange(ANGLES) / ANGLES - rng.random()) * 2 * np.pi)
        height = wave / wave.std() + rng.uniform(0, 2) * side  # by which the bone is nearer there
        grown = np.clip(height - np.quantile(height, rng.uniform(0.1, 0.75)), 0, None)
        grown = grown / max(float(grown.max()), 1e-3)
        share = ndimage.map_coordinates(grown, [angle.ravel()], order=1, mode="grid-wrap").reshape(angle.shape)
        reach = share * rng.uniform(*self.depth) * np.clip(1 + 0.25 * cloud(scene, rng, 8), 0.3, None)
        shallow = np.clip(1 - scene.depth / np.maximum(reach * rng.uniform(1.2, 1.8), 1e-3), 0, 1)
        part = shallow ** rng.uniform(0.7, 2) * share
        bone = np.exp(rng.uniform(*np.log(BONE_HU))) * part * (1 + 0.2 * cloud(scene, rng, 5))
        added = ndimage.gaussian_filter(np.maximum(bone, 0), 0.5 / scene.pixel)
        return (scene.image + added * beside(scene)).astype(np.float32)


RandDrawPartialBoned = MimicTransformd.of(RandDrawPartialBone)
