"""How dense blood is at other ages than it was cut at: fresh, fresh and old mixed, sunk to a level, old."""

import numpy as np

from ichmonai.transforms.counterfactual.base import Array
from ichmonai.transforms.counterfactual.haemorrhage_kinds import bumps

HIGHEST = 46.0  # HU above the brain's level of fresh blood; denser is chalk
THIN = 5.0  # mm
FRESH = (0.75, 1.25)  # factor of the rise above the brain's level
IN_FLUID = (0.6, 1.3)  # ... of blood in fluid, which thins it
OLD_HU = (-22.0, -6.0)  # above the brain's level, weeks old
SUPERNATANT_HU = (-16.0, -1.0)  # ... above the cells that sank
CLOT_HU = (14.0, 32.0)
BEFORE = {  # how often blood is mixed, sunk to a level, old; otherwise fresh
    "epidural": (0.2, 0.0, 0.0),
    "intraparenchymal": (0.0, 0.06, 0.0),
    "intraventricular": (0.0, 0.0, 0.0),
    "subarachnoid": (0.0, 0.0, 0.0),
    "subdural": (0.17, 0.17, 0.17),
}


def aged(rise: Array, part: Array, kind: str, thickness: float, pixel: float, rng: np.random.Generator) -> Array:
    """Change the density of a bleeding.

    Args:
        rise: HU above the level of the brain (h, w), the patient lying on the back.
        part: of blood in each pixel, (h, w), not 0 throughout.
        kind: of `KINDS`.
        thickness: of a layer in mm; a thin one is fresh, for it would not be seen.
        pixel: its side in mm.
        rng: chooses the age.
    """
    mean = float(np.average(rise, weights=part))
    if thickness < THIN and mean < CLOT_HU[0]:
        rise, mean = rise - mean + rng.uniform(*CLOT_HU), CLOT_HU[0]
    mixed, level, old = np.cumsum(BEFORE[kind])
    age = rng.random() if thickness > THIN else 1.0
    if age < mixed:  # it bled more than once
        clot = max(mean, rng.uniform(*CLOT_HU))
        share = 1 / (1 + np.exp(-3 * (bumps(part.shape, pixel, rng, rng.uniform(6, 14)) - rng.normal(0, 0.5))))
        return (rise - mean + share * clot + (1 - share) * rng.uniform(*SUPERNATANT_HU)).clip(None, HIGHEST)
    if age < level:
        rows = np.arange(len(part), dtype=np.float32)[:, None]
        surface = np.average(np.broadcast_to(rows, part.shape), weights=part) + rng.normal(0, 8) / pixel
        tilt = rng.normal(0, 0.08) * (np.arange(part.shape[1]) - part.shape[1] / 2)
        sunk = 1 / (1 + np.exp(-np.clip((rows + tilt - surface) * pixel / 1.5, -30, 30)))
        clot, above = max(mean, rng.uniform(*CLOT_HU)), rng.uniform(*SUPERNATANT_HU)
        return (0.5 * (rise - mean) + sunk * clot + (1 - sunk) * above).clip(None, HIGHEST).astype(np.float32)
    if age < old:
        return 0.3 * (rise - mean) + rng.uniform(*OLD_HU)
    factor = rng.uniform(*(FRESH if kind not in ("intraventricular", "subarachnoid") else IN_FLUID))
    return (rise * factor).clip(None, HIGHEST)
