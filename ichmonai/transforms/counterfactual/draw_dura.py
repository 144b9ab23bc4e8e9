"""Draw dense dura: the falx, the tentorium and the sinuses, which are brighter than brain and no haemorrhage."""

from collections.abc import Callable, Sequence

import numpy as np

from ichmonai.transforms.anatomy.bleeding import smooth_inside
from ichmonai.transforms.counterfactual.base import GRAIN, Array
from ichmonai.transforms.counterfactual.haemorrhage_kinds import Scene, cloud
from ichmonai.transforms.counterfactual.mimic import MimicTransform, MimicTransformd, beside, places, soft, stroke

FADE = 1.0  # mm, of an edge
Places = tuple[Array, Array, float]


def falx(scene: Scene, where: Places, rng: np.random.Generator) -> Array:
    """A thin line on the midline, in front, behind, or both; behind it widens into the sagittal sinus."""
    bend, off = rng.normal(0, 0.02), rng.normal(0, 0.01)
    edge = np.full(scene.image.shape, -1e3, np.float32)
    which = rng.integers(3)
    for end, wanted in ((-1.1, which != 1), (1.1, which != 0)):
        if wanted:
            start = np.sign(end) * rng.uniform(0.1, 0.65)
            along = np.linspace(start, end, 7)
            across = off + bend * (1 - along**2) + rng.normal(0, 0.003, 7).cumsum()
            width = np.linspace(rng.uniform(0.2, 0.6), rng.uniform(0.5, 1.1), 7)
            if end > 0 and rng.random() < 0.7:
                width[-2:] = rng.uniform(1, 2.5), rng.uniform(3, 5)
            edge = np.maximum(edge, stroke(scene, *where, np.column_stack([along, across]), width))
    return edge


def tentorium(scene: Scene, where: Places, rng: np.random.Generator) -> Array:
    """Its two leaves, from the straight sinus to the front and the sides, or from the petrous ridges to the back."""
    thin = rng.uniform(0.5, 1.3)
    edge = np.full(scene.image.shape, -1e3, np.float32)
    if rng.random() < 0.6:
        apex = np.array([rng.uniform(0.3, 0.6), rng.normal(0, 0.01)])
        ends = rng.uniform(-0.05, 0.15), rng.uniform(0.25, 0.5)
        edge = stroke(scene, *where, np.array([[1.1, 0], apex]), np.array([rng.uniform(1, 3), thin]))
    else:
        apex = None
        ends = rng.uniform(-0.05, 0.1), rng.uniform(0.25, 0.4)
    for side in (-1, 1):
        front = np.array([ends[0], side * ends[1]]) + rng.normal(0, 0.03, 2)
        start = np.array([rng.uniform(0.5, 0.7), side * rng.uniform(0.6, 0.8)]) if apex is None else apex
        middle = (start + front) / 2 + np.array([0.0, side * rng.uniform(0, 0.08)])
        width = thin * rng.uniform(0.5, 1.3) * np.array([1.2, 1.0, 0.6])
        edge = np.maximum(edge, stroke(scene, *where, np.stack([start, middle, front]), width))
    return edge


def sinus(scene: Scene, where: Places, rng: np.random.Generator) -> Array:
    """A transverse or sigmoid sinus along the skull, on one side mostly, for one is wider."""
    back, left, scale = where
    edge = np.full(scene.image.shape, -1e3, np.float32)
    dominant = rng.choice([-1, 1])
    for side, wide in ((dominant, rng.uniform(3, 6.5)), (-dominant, rng.uniform(-3, 4))):
        turned = np.arctan2(side * left, -back) - np.deg2rad(rng.uniform(118, 158))
        half = np.deg2rad(rng.uniform(9, 24))
        thick = wide * np.sqrt(np.clip(1 - (turned / half) ** 2, 0, 1)) - 1
        edge = np.maximum(edge, np.minimum(thick - scene.depth, (half - abs(turned)) * scale))
    return edge


PARTS: tuple[Callable[[Scene, Places, np.random.Generator], Array], ...] = (falx, tentorium, sinus)


class RandDrawDura(MimicTransform):
    """Draw a dense falx, tentorium or venous sinus with a probability; label and mask stay.

    In the old, the young, the dehydrated, and after contrast they are as bright as blood beside them would be.

    Args:
        hu: least and most HU of it.
        prob: probability that it is drawn.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.

    Raises:
        ValueError: if the HU are not in order.

    Example:
        >>> image = np.full((1, 128, 128), -1000.0, np.float32)
        >>> image[0, 10:118, 20:108] = 900  # a skull
        >>> image[0, 16:112, 26:102] = 32  # a brain
        >>> drawn = RandDrawDura(prob=1).set_random_state(seed=1)(image)
        >>> 40 < float(drawn[0, 20:108, 30:98].max()) < 70
        True
    """

    smallest = 5000.0
    spares_blood = False  # beside it blood is as bright, and on it it is seen

    def __init__(
        self, hu: tuple[float, float] = (48.0, 66.0), prob: float = 0.25, spacing: Sequence[float] | None = None
    ) -> None:
        super().__init__(prob, spacing)
        if hu[0] > hu[1]:
            raise ValueError(f"RandDrawDura needs two HU in order, not {hu}.")
        self.hu = hu

    def _draw(self, scene: Scene, low: bool, rng: np.random.Generator) -> Array | None:
        where = places(scene)
        shares = (0.5, 0.5, 0.5) if low else (1.0, 0.0, 0.1)  # tentorium and transverse sinuses are not seen higher up
        chosen = [part for part, share in zip(PARTS, shares, strict=True) if rng.random() < share]
        image = scene.image
        smoothed = smooth_inside(image, scene.inside, GRAIN / scene.pixel)
        for part in chosen or [falx]:
            share = soft(part(scene, where, rng), FADE) * beside(scene)
            bright = rng.uniform(*self.hu) + 2 * cloud(scene, rng, 8)
            image = image + share * np.maximum(bright - np.maximum(smoothed, scene.image * ~scene.inside), 0)
        return image.astype(np.float32)


RandDrawDurad = MimicTransformd.of(RandDrawDura)
