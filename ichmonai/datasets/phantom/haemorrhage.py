"""Haemorrhages of the phantom: where the blood is, how it looks and how it pushes the brain aside."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from ichmonai.classes import RSNA_LABELS
from ichmonai.datasets.phantom.brain import BrainSlice, tentorium
from ichmonai.datasets.phantom.fields import Field, Point, SmoothNoise, coverage

COMPARTMENTS = RSNA_LABELS[1:]
"""What blood is told apart by; index + 1 is the value in the blood mask of a study."""

OEDEMA = 19.0
"""HU of perihaematomal oedema."""


class PhantomKind(str, Enum):
    """What a phantom patient has."""

    NORMAL = "normal"
    DEEP = "deep"
    LOBAR = "lobar"
    SUBTENTORIAL = "subtentorial"
    EPIDURAL = "epidural"
    SUBDURAL = "subdural"
    SUBARACHNOID = "subarachnoid"
    INTRAVENTRICULAR = "intraventricular"


# Centre (mm, left side), relative radii, and range of volumes (ml).
_SITES: dict[PhantomKind, tuple[tuple[Point, Point, tuple[float, float]], ...]] = {
    PhantomKind.DEEP: (
        ((27.0, 0.0, 5.0), (0.72, 1.35, 1.05), (4.0, 55.0)),  # putamen
        ((26.0, 8.0, 8.0), (0.8, 1.25, 1.0), (3.0, 35.0)),
        ((13.0, 17.0, 9.0), (0.85, 1.15, 1.0), (2.0, 18.0)),  # thalamus
    ),
    PhantomKind.LOBAR: (
        ((30.0, -40.0, 26.0), (0.9, 1.2, 0.95), (5.0, 70.0)),  # frontal
        ((38.0, 48.0, 38.0), (0.9, 1.15, 1.0), (5.0, 70.0)),  # parietal
        ((49.0, 8.0, -17.0), (0.7, 1.35, 0.85), (4.0, 35.0)),  # temporal
        ((26.0, 76.0, 14.0), (0.85, 1.15, 0.95), (4.0, 45.0)),  # occipital
    ),
    PhantomKind.SUBTENTORIAL: (
        ((24.0, 62.0, -38.0), (1.0, 1.1, 0.85), (4.0, 25.0)),  # cerebellar hemisphere
        ((8.0, 64.0, -34.0), (0.95, 1.1, 0.95), (3.0, 18.0)),  # vermis
        ((1.0, 22.0, -31.0), (1.15, 0.8, 1.0), (2.0, 8.0)),  # pons
    ),
}


@dataclass(frozen=True)
class Haematoma:
    """Blood in the brain substance. Lengths in mm; ``side`` 1 is left, -1 right."""

    centre: Point
    radii: Point
    side: int
    oedema: float
    below_tentorium: bool


@dataclass(frozen=True)
class Collection:
    """Blood between brain and skull. ``direction``: from the middle of the head; lengths in mm."""

    compartment: str
    direction: Point
    thickness: float
    extent: float


@dataclass(frozen=True)
class Haemorrhage:
    """All blood of one patient.

    Attributes:
        kind: the main diagnosis.
        hu: HU of clotted blood.
        haematoma: blood in the brain substance.
        collection: epidural or subdural blood.
        cisternal: centre and reach (mm) of subarachnoid blood.
        ventricular: side of the clot in the ventricles (-1, 0 or 1) and ``y`` (mm) behind which blood has settled.
        noise: texture and irregular edge.
        drift: offset in mm into ``noise``.
    """

    kind: PhantomKind
    hu: float
    noise: SmoothNoise
    haematoma: Haematoma | None = None
    collection: Collection | None = None
    cisternal: tuple[Point, float] | None = None
    ventricular: tuple[int, float] | None = None
    drift: Point = field(default=(0.0, 0.0, 0.0))

    @staticmethod
    def random(rng: np.random.Generator, kind: PhantomKind) -> "Haemorrhage":
        """Draw a haemorrhage of ``kind`` (not ``normal``)."""
        side = int(rng.choice([-1, 1]))
        noise = SmoothNoise(rng, wavelength=21.0, bandwidth=0.6, through=True)
        hu = float(rng.uniform(58.0, 68.0))
        if kind in _SITES:
            sites = _SITES[kind]
            centre, shape, (smallest, largest) = sites[int(rng.integers(len(sites)))]
            millilitres = float(np.exp(rng.uniform(np.log(smallest), np.log(largest))))
            radius = (3000.0 * millilitres / (4.0 * np.pi)) ** (1 / 3)
            spread = 2.0 if kind is PhantomKind.DEEP or millilitres < 4 else 4.0
            x, y, z = (c + rng.uniform(-spread, spread) for c in centre)
            haematoma = Haematoma(
                centre=(side * x, y, z),
                radii=tuple(radius * s * float(rng.uniform(0.92, 1.08)) for s in shape),  # type: ignore[arg-type]
                side=0 if kind is PhantomKind.SUBTENTORIAL else side,
                oedema=float(rng.uniform(1.5, 3.0) + 0.22 * radius * rng.uniform(0.5, 1.5)),
                below_tentorium=kind is PhantomKind.SUBTENTORIAL,
            )
            extends = kind is PhantomKind.DEEP and rng.random() < 0.4
            return Haemorrhage(
                kind, hu, noise, haematoma, ventricular=(side, float(rng.uniform(46.0, 54.0))) if extends else None
            )
        if kind in (PhantomKind.EPIDURAL, PhantomKind.SUBDURAL):
            epidural = kind is PhantomKind.EPIDURAL
            turn = rng.uniform(-0.5, 0.9) if epidural else rng.uniform(-0.3, 0.3)
            rise = rng.uniform(0.1, 0.6) if epidural else rng.uniform(0.25, 0.5)
            collection = Collection(
                compartment=kind.value,
                direction=(side * float(np.cos(turn)), float(np.sin(turn)), float(rise)),
                thickness=float(rng.uniform(13.0, 26.0) if epidural else rng.uniform(4.0, 7.5)),
                extent=float(rng.uniform(33.0, 44.0) if epidural else rng.uniform(52.0, 72.0)),
            )
            return Haemorrhage(kind, hu, noise, collection=collection)
        if kind is PhantomKind.SUBARACHNOID:
            foci: tuple[Point, ...] = ((0.0, 0.0, -16.0), (side * 30.0, -5.0, -8.0), (side * 45.0, 5.0, 35.0))
            focus = foci[int(rng.integers(3))]
            reach = float(rng.uniform(38.0, 60.0))
            settled = (0, float(rng.uniform(58.0, 62.0))) if rng.random() < 0.4 else None
            return Haemorrhage(kind, hu, noise, cisternal=(focus, reach), ventricular=settled)
        if kind is PhantomKind.INTRAVENTRICULAR:
            return Haemorrhage(kind, hu, noise, ventricular=(side, float(rng.uniform(38.0, 50.0))))
        raise ValueError(f"A patient of kind {kind.value!r} has no haemorrhage; use another PhantomKind.")

    def thickness(self, x: Field, y: Field, z: Field) -> Field | float:
        """Thickness (mm) of the extra-axial collection over each point; 0 without one."""
        if self.collection is None:
            return 0.0
        c = self.collection
        direction = (np.array(c.direction) / np.linalg.norm(c.direction)).astype(np.float32)
        u, v, w = x / 69.0, (y - 15.0) / 88.0, (z - 2.0) / 76.0
        length = np.maximum(np.sqrt(u * u + v * v + w * w), 1e-3)
        cosine = (u * direction[0] + v * direction[1] + w * direction[2]) / length
        away = np.arccos(np.clip(cosine, -1.0, 1.0)) * np.float32(77.0) / c.extent
        if c.compartment == "epidural":
            return c.thickness * np.clip(1.0 - away * away, 0.0, 1.0)
        uneven = 1.0 + 0.18 * self.noise(x * 0.6, y * 0.6, z * 0.6)
        uneven *= np.clip((z + 30.0) / 16.0, 0.0, 1.0)  # none under the brain
        midline = np.clip((x * float(np.sign(direction[0])) - 2.0) / 9.0, 0.0, 1.0)
        return c.thickness * uneven * np.clip(1.4 * (1.0 - away**4), 0.0, 1.0) * midline

    def displace(self, x: Field, y: Field, z: Field, depth: Field, layer: Field | float) -> tuple[Field, Field, Field]:
        """Where the brain tissue at each point was before the blood pushed it there (mass effect), mm."""
        if self.haematoma is not None:
            c, r = self.haematoma.centre, self.haematoma.radii
            dx, dy, dz = x - c[0], y - c[1], z - c[2]
            reach = (dx / r[0]) ** 2 + (dy / r[1]) ** 2 + (dz / r[2]) ** 2
            shrink = np.cbrt(np.maximum(1.0 - 0.5 / np.maximum(reach, 0.3) ** 1.5, 0.12))
            pull = (shrink - 1.0) * np.clip(depth / 14.0, 0.0, 1.0)
            return x + pull * dx, y + pull * dy, z + pull * dz
        if self.collection is not None:
            push = layer * np.exp(-np.maximum(depth, 0.0) / 42.0)
            length = np.maximum(np.sqrt(x * x + (y - 15.0) ** 2 + (z - 2.0) ** 2), 10.0)
            side = float(np.sign(self.collection.direction[0]))
            shift = 0.30 * self.collection.thickness * coverage(np.abs(x) - 30.0, 40.0) * coverage(20.0 - depth, 20.0)
            return x + push * x / length + side * shift, y + push * (y - 15.0) / length, z + push * (z - 2.0) / length
        return x, y, z

    def paint(
        self, brain: BrainSlice, x: Field, y: Field, z: Field, depth: Field, layer: Field | float, softness: float
    ) -> Field:
        """Paint blood and oedema into ``brain``.

        Returns:
            The part (0 to 1) of each compartment's blood, float32, shape (5, K, H, W) in the order of ``COMPARTMENTS``.
        """
        parts = np.zeros((len(COMPARTMENTS), *x.shape), np.float32)
        rough = self.noise(x, y, z)
        hu = self.hu + 3.0 * rough
        if self.haematoma is not None:
            distance = self._surface(self.haematoma, x, y, z, depth, rough)
            rim = coverage(distance - self.haematoma.oedema, 3.0) * (0.25 + 0.75 * brain.white) * (1.0 - brain.fluid)
            rim *= coverage(-brain.ventricle, 1.5)
            brain.hu += 0.9 * rim * np.minimum(OEDEMA - brain.hu, 0.0)
            parts[COMPARTMENTS.index("intraparenchymal")] = coverage(distance, 1.6 * softness)
        if self.ventricular is not None:
            parts[COMPARTMENTS.index("intraventricular")] = self._settled(brain, x, y, z, rough, softness)
        if self.cisternal is not None:
            (cx, cy, cz), reach = self.cisternal
            near = np.sqrt((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2) - reach - 6.0 * rough
            parts[COMPARTMENTS.index("subarachnoid")] = brain.fluid * coverage(near, 16.0)
        if self.collection is not None:
            thick = np.asarray(layer)
            inside = np.minimum(coverage(depth - thick, softness), coverage(0.5 - thick, 1.0))
            parts[COMPARTMENTS.index(self.collection.compartment)] = inside
        total = np.maximum.reduce(parts)
        brain.hu += total * (hu - brain.hu)
        return parts

    def _settled(self, brain: BrainSlice, x: Field, y: Field, z: Field, rough: Field, softness: float) -> Field:
        """Part of each point that is blood in the ventricles: a clot on one side and a fluid level on both."""
        assert self.ventricular is not None  # noqa: S101  for type checkers
        side, level = self.ventricular
        where = coverage(level - y, 1.0)  # the patient lies supine: blood settles behind
        if side:
            clot = coverage(-4.0 - side * x - 5.0 * rough, 3.0)
            clot = np.maximum(clot, coverage(np.abs(x) - 5.0, 2.0) * coverage(z - 14.0, 4.0))  # third and fourth
            where = np.maximum(where, clot * coverage(np.abs(y - 18.0) - 40.0, 6.0))
        return where * coverage(brain.ventricle, softness)

    def _surface(self, h: Haematoma, x: Field, y: Field, z: Field, depth: Field, rough: Field) -> Field:
        """Signed distance (mm) to the haematoma, kept inside its compartment."""
        u, v, w = ((p - c) / r for p, c, r in zip((x, y, z), h.centre, h.radii, strict=True))
        mean = float(np.prod(h.radii)) ** (1 / 3)
        fine = self.noise(2.3 * x + 40.0, 2.3 * y, 2.3 * z)
        distance = (np.sqrt(u * u + v * v + w * w) - 1.0) * mean + 0.15 * mean * rough + 0.04 * mean * fine
        walls = [distance, 1.0 - depth]
        if h.side:
            walls.append(1.5 - h.side * x)
        roof = tentorium(np.abs(x), y)
        behind = 12.0 + 0.6 * (np.abs(x) - 10.0)
        fossa = np.maximum(z - roof, behind - y) + 2.0
        walls.append(fossa if h.below_tentorium else -fossa + 4.0)
        return np.maximum.reduce(walls)
