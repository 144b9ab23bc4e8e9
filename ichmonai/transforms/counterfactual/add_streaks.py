"""Add the bands and streaks of beam hardening, which are bright and dark and no finding."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ichmonai.transforms.counterfactual.base import Array
from ichmonai.transforms.counterfactual.haemorrhage_kinds import Scene, cloud
from ichmonai.transforms.counterfactual.mimic import MimicTransform, MimicTransformd, beside, places

EDGE = 1.2  # mm, of the inside of the skull, beyond which bone is too bright to show streaks
RAYS = 360  # directions from a bone whose streaks are drawn
FAN = 20.0  # degrees, standard deviation of their angle to the line between the bones
HIGHER_UP = 0.5  # of the strength, above the skull base


class RandAddStreaks(MimicTransform):
    """Add beam hardening with a probability: bands between dense bones, rays from them, brightness below the skull.

    The bands cross the posterior fossa between the petrous parts, or the head elsewhere; a bright one may pass for
    blood and a dark one for an infarct. All of it is added to what is there, also to blood; label and mask stay.

    Args:
        strength: least and most HU of the strongest band.
        prob: probability that they are added.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.

    Raises:
        ValueError: if the strengths are negative or not in order.

    Example:
        >>> hu = np.full((1, 128, 128), -1000.0, np.float32)
        >>> hu[0, 10:118, 20:108] = 900  # a skull
        >>> hu[0, 16:112, 26:102] = 32  # a brain
        >>> added = RandAddStreaks(prob=1).set_random_state(seed=0)(hu)
        >>> bool(added[0, 16:112, 26:102].std() > 1), bool((added[0, :10] == -1000).all())
        (True, True)
    """

    spares_blood = False

    def __init__(
        self, strength: tuple[float, float] = (4.0, 20.0), prob: float = 0.25, spacing: Sequence[float] | None = None
    ) -> None:
        super().__init__(prob, spacing)
        if not 0 <= strength[0] <= strength[1]:
            raise ValueError(f"RandAddStreaks needs two strengths of 0 or more in order, not {strength}.")
        self.strength = strength

    def _draw(self, scene: Scene, low: bool, rng: np.random.Generator) -> Array | None:
        back, left, scale = places(scene)
        strength = rng.uniform(*self.strength) * (1 if low else HIGHER_UP)
        middle = rng.uniform(0, 0.45) if low else rng.uniform(-0.7, 0.8)
        bones = [np.array([middle + rng.normal(0, 0.06), side * rng.uniform(1.0, 1.2)]) for side in (-1, 1)]
        field = _bands(back, left, scale, bones, rng)
        if rng.random() < 0.7:
            rays = _rays(back, left, bones, rng) + _rays(back, left, bones[::-1], rng)
            field = field + rng.uniform(0.1, 0.45) * rays
        field = field * (1 + 0.2 * cloud(scene, rng, 25))
        field = field * (strength / max(float(np.percentile(abs(field[scene.inside]), 99)), 1e-3))
        if rng.random() < 0.4:  # cupping
            field = field + rng.uniform(0.1, 0.5) * strength * np.exp(-scene.depth / rng.uniform(3, 9))
        within = ndimage.gaussian_filter(beside(scene).astype(np.float32), EDGE / scene.pixel) * beside(scene)
        return (scene.image + within * field).astype(np.float32)


RandAddStreaksd = MimicTransformd.of(RandAddStreaks)


def _bands(back: Array, left: Array, scale: float, bones: list[np.ndarray], rng: np.random.Generator) -> Array:
    """A dark band from bone to bone, mostly, and bright ones beside it."""
    along = bones[1] - bones[0]
    length = float(np.hypot(*along))
    across = ((back - bones[0][0]) * along[1] - (left - bones[0][1]) * along[0]) / length * scale  # mm
    place = ((back - bones[0][0]) * along[0] + (left - bones[0][1]) * along[1]) / length**2  # 0 to 1 between them
    between = np.exp(-(np.clip(abs(place - 0.5) - 0.35, 0, None) ** 2) / 0.03)
    wide = rng.uniform(3, 9)
    field = -np.exp(-((across / wide) ** 2))
    for side in (-1, 1):
        off, narrow = side * wide * rng.uniform(1.2, 2.4), wide * rng.uniform(0.4, 0.9)
        field = field + rng.uniform(0.2, 1) * np.exp(-(((across - off) / narrow) ** 2))
    waist = 1 - rng.uniform(0, 0.6) * np.cos(np.pi * np.clip(place - 0.5, -0.5, 0.5))  # weaker in the middle
    return rng.choice([1, -1], p=[0.75, 0.25]) * field * between * waist


def _rays(back: Array, left: Array, bones: list[np.ndarray], rng: np.random.Generator) -> Array:
    """Fine streaks from one bone towards the other, weaker with the distance."""
    bone, other = bones
    angle = (np.arctan2(back - bone[0], left - bone[1]) - np.arctan2(*(other - bone))) * (RAYS / (2 * np.pi)) % RAYS
    by_angle = ndimage.gaussian_filter1d(rng.normal(size=RAYS), rng.uniform(1.2, 4), mode="wrap")
    off = (np.arange(RAYS) + RAYS / 2) % RAYS - RAYS / 2
    by_angle = by_angle / by_angle.std() * np.exp(-((off / FAN) ** 2) / 2)
    streaks = ndimage.map_coordinates(by_angle, [angle.ravel()], order=1, mode="grid-wrap").reshape(angle.shape)
    distance = np.hypot(back - bone[0], left - bone[1])
    return streaks * np.exp(-distance / rng.uniform(0.5, 1.5))
