"""Draw infarcts, old and new, which are darker than brain and no haemorrhage."""

from collections.abc import Sequence

import numpy as np

from ichmonai.transforms.anatomy.bleeding import smooth_inside
from ichmonai.transforms.counterfactual.base import GRAIN, Array
from ichmonai.transforms.counterfactual.haemorrhage_kinds import Scene, cloud
from ichmonai.transforms.counterfactual.mimic import MimicTransform, MimicTransformd, places, soft

TERRITORIES = (  # angle from the forehead, half its width, both in degrees; where it begins: 0 the middle, 1 the skull
    ((55, 115), (15, 45), (0.2, 0.55)),  # middle cerebral artery, or a branch
    ((8, 32), (7, 18), (0.3, 0.7)),  # anterior
    ((145, 170), (9, 24), (0.3, 0.7)),  # posterior; in low slices the cerebellum
    ((30, 48), (4, 9), (0.45, 0.75)),  # watershed in front
    ((122, 145), (4, 10), (0.45, 0.75)),  # ... and behind
)
OFTEN = (0.4, 0.12, 0.2, 0.14, 0.14)
KINDS_OF = (0.6, 0.2, 0.2)  # territories, lacunes, white matter of small vessel disease
FLUID = 8.0  # HU below the brain's level, from which it is fluid and not brain
OLD = 13.0  # drop in HU from which tissue is lost
FLUID_HU = (5.0, 13.0)


class RandDrawInfarct(MimicTransform):
    """Make a part of the brain darker with a probability, as infarcts do; label and mask stay.

    Territories of arteries as wedges up to the cortex, watersheds, lacunes, and the patches of small vessel disease
    beside the ventricles. New ones are a few HU darker, without grey and white matter and with narrow sulci; old ones
    are nearly as dark as fluid, sharp, and some of their cortex is gone. Blood stays as it is, so that they are drawn
    into slices with and without it alike: a network else learns that what is dark goes with one of them.

    Args:
        drop: least and most HU that they are darker than the brain.
        prob: probability that they are drawn.
        spacing: distances of rows and of columns in mm. None: a field of view of 220 mm.

    Raises:
        ValueError: if the drops are not positive and in order.

    Example:
        >>> hu = np.full((1, 128, 128), -1000.0, np.float32)
        >>> hu[0, 10:118, 20:108] = 900  # a skull
        >>> hu[0, 16:112, 26:102] = 32  # a brain
        >>> drawn = RandDrawInfarct(prob=1).set_random_state(seed=0)(hu)
        >>> bool(drawn[0, 16:112, 26:102].min() < 30), float(drawn[0, 16:112, 26:102].max())
        (True, 32.0)
    """

    def __init__(
        self, drop: tuple[float, float] = (3.0, 20.0), prob: float = 0.3, spacing: Sequence[float] | None = None
    ) -> None:
        super().__init__(prob, spacing)
        if not 0 < drop[0] <= drop[1]:
            raise ValueError(f"RandDrawInfarct needs two positive drops in order, not {drop}.")
        self.drop = drop

    def _draw(self, scene: Scene, low: bool, rng: np.random.Generator) -> Array | None:
        image, smoothed = scene.image, smooth_inside(scene.image, scene.inside, GRAIN / scene.pixel)
        for _ in range(1 + (rng.random() < 0.2)):
            drop = rng.uniform(*self.drop)
            kind = rng.choice(len(KINDS_OF), p=KINDS_OF)
            part = (_territory, _lacunes, _white_matter)[kind](scene, drop, rng)
            new = _infarcted(scene, smoothed, drop, kind == 0, rng)
            part = part * scene.inside * np.clip((scene.level + 13 - smoothed) / 5, 0, 1)  # blood, chalk, bone's edge
            change = part * (new - smoothed)
            image, smoothed = image + change, smoothed + change
        return image.astype(np.float32)


RandDrawInfarctd = MimicTransformd.of(RandDrawInfarct)


def _infarcted(scene: Scene, smoothed: Array, drop: float, cortical: bool, rng: np.random.Generator) -> Array:
    """HU of the slice as if all of it were infarcted."""
    lost = rng.uniform(0.6, 1)  # of the contrast of grey and white matter
    narrow = float(np.interp(drop, [3, 10], [0.7, 0])) * rng.uniform(0, 1) * cortical
    tissue = np.clip(smoothed - scene.level, -FLUID, FLUID)
    uneven = 1 + 0.12 * cloud(scene, rng, 10)
    dark = scene.level - drop * uneven + (1 - lost) * tissue
    fluid = np.clip((scene.level - FLUID - smoothed) / 8, 0, 1) * (1 - narrow)
    new = dark + fluid * (np.minimum(smoothed, dark) - dark)
    if cortical and drop > OLD and rng.random() < 0.7:  # shrunken gyri and cysts
        gone = soft(rng.uniform(1, 5) + 1.5 * cloud(scene, rng, 8) - scene.depth, 1.5)
        gone = np.maximum(gone, soft(4 * (cloud(scene, rng, 14) - rng.uniform(0.2, 1.2)), 2))
        new = new + gone * np.minimum(rng.uniform(*FLUID_HU) - new, 0)
    return new.astype(np.float32)


def _fade(drop: float, rng: np.random.Generator) -> float:
    """Softness of the edge in mm: the older, the sharper."""
    return float(np.interp(drop, [3, 20], [5, 1.2]) * np.exp(rng.normal(0, 0.25)))


def _territory(scene: Scene, drop: float, rng: np.random.Generator) -> Array:
    back, left, scale = places(scene)
    side = rng.choice([-1, 1])
    angles, halves, starts = TERRITORIES[rng.choice(len(OFTEN), p=OFTEN)]
    angle, half, start = np.deg2rad(rng.uniform(*angles)), np.deg2rad(rng.uniform(*halves)), rng.uniform(*starts)
    away = np.hypot(back, left)
    turned = np.arctan2(side * left, -back) - angle
    edge = np.minimum((half - abs(turned)) * away.clip(0.25) * scale, (away - start) * scale)
    edge = edge + 3 * cloud(scene, rng, 14) + 1.2 * cloud(scene, rng, 5)
    return soft(np.minimum(edge, side * left * scale - 1.5), _fade(drop, rng))  # it ends at the falx


def _spots(scene: Scene, spots: list[tuple[float, float, float]], fade: float, rng: np.random.Generator) -> Array:
    back, left, scale = places(scene)
    part = np.zeros(scene.image.shape, np.float32)
    for at_back, at_left, radius in spots:
        stretch, turn = rng.uniform(0.7, 1.6), rng.uniform(0, np.pi)
        x, y = (left - at_left) * scale, (back - at_back) * scale
        along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        edge = radius - np.hypot(along / stretch, across * stretch)
        part = np.maximum(part, soft(edge + 0.15 * radius * cloud(scene, rng, max(radius, 3.0)), fade))
    return part


def _lacunes(scene: Scene, drop: float, rng: np.random.Generator) -> Array:
    """A few small ones of the deep nuclei and what is beside and above them."""
    spots = [
        (rng.normal(-0.05, 0.18), rng.choice([-1, 1]) * rng.uniform(0.15, 0.5), rng.uniform(1.5, 6))
        for _ in range(rng.integers(1, 5))
    ]
    return _spots(scene, spots, rng.uniform(0.8, 2), rng)


def _white_matter(scene: Scene, drop: float, rng: np.random.Generator) -> Array:
    """Patches at the horns of both lateral ventricles."""
    front, behind, off, radius = (
        rng.uniform(-0.5, -0.3),
        rng.uniform(0.3, 0.5),
        rng.uniform(0.2, 0.33),
        rng.uniform(6, 13),
    )
    spots = [
        (place + rng.normal(0, 0.04), side * off + rng.normal(0, 0.03), radius * rng.uniform(0.6, 1.3))
        for side in (-1, 1)
        for place in (front, behind, *([0.0] if rng.random() < 0.4 else []))
    ]
    return _spots(scene, spots, rng.uniform(3, 6), rng) * rng.uniform(0.5, 1)
