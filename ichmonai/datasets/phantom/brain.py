"""Brain, ventricles, cisterns and dura of the phantom."""

from dataclasses import dataclass

import numpy as np

from ichmonai.datasets.phantom.fields import (
    Canvas,
    Field,
    SmoothNoise,
    capsule,
    coverage,
    ellipsoid,
    rods,
    smooth_union,
)

CSF, WHITE, GREY, DURA, SINUS = 7.0, 28.0, 36.5, 50.0, 50.0
"""HU of cerebrospinal fluid, white and grey matter, falx and tentorium, and the venous sinuses."""


@dataclass(frozen=True)
class Brain:
    """Shape of one patient's brain.

    Attributes:
        atrophy: 0 (young, tight sulci) to 1 (marked atrophy).
        ventricles: size factor of the ventricles.
        grey: HU of grey matter.
        white: HU of white matter.
        leukoaraiosis: lowering of HU in the periventricular white matter.
        calcified: whether pineal gland, and choroid plexus are calcified.
        gyri: noise whose zero level is the sulci.
        relief: slower noise that varies their width and depth.
        cloud: fine noise for the texture of tissue.
        phase: random phases of the wiggles of fissures.
    """

    atrophy: float
    ventricles: float
    grey: float
    white: float
    leukoaraiosis: float
    calcified: tuple[bool, bool]
    gyri: SmoothNoise
    relief: SmoothNoise
    cloud: SmoothNoise
    phase: tuple[float, float, float]

    @staticmethod
    def random(rng: np.random.Generator) -> "Brain":
        """Draw a brain; atrophy, ventricles and white matter change together, as with age."""
        atrophy = float(rng.beta(1.6, 2.0))
        return Brain(
            atrophy=atrophy,
            ventricles=float(np.clip(0.75 + 0.65 * atrophy + rng.normal(0, 0.12), 0.6, 1.7)),
            grey=float(GREY + rng.normal(0, 1.0)),
            white=float(WHITE + rng.normal(0, 1.0)),
            leukoaraiosis=float(max(0.0, rng.normal(7.0 * atrophy, 2.0) - 2.0)),
            calcified=(bool(rng.random() < 0.7), bool(rng.random() < 0.5)),
            gyri=SmoothNoise(rng, wavelength=25.0, bandwidth=0.22, through=True),
            relief=SmoothNoise(rng, wavelength=38.0, bandwidth=0.6),
            cloud=SmoothNoise(rng, wavelength=9.0, bandwidth=0.5, voxel=2.2),
            phase=(float(rng.uniform(0, 6)), float(rng.uniform(0, 6)), float(rng.uniform(0, 6))),
        )


@dataclass
class BrainSlice:
    """Brain tissue on the points of one slice.

    Attributes:
        hu: HU of brain, fluid and dura, float32, shape (K, H, W).
        fluid: part of CSF outside the ventricles (0 to 1), as ``hu``.
        ventricle: signed distance to the ventricles in mm, as ``hu``.
        white: part of white matter (0 to 1), as ``hu``.
    """

    hu: Field
    fluid: Field
    ventricle: Field
    white: Field


def ventricles(ax: Field, y: Field, z: Field, size: float) -> Field:
    """Signed distance (mm) to lateral, third and fourth ventricle and aqueduct; ``size`` is a factor (1 is normal)."""
    far = np.full_like(ax, 50.0)
    low, high = float(z.min()), float(z.max())
    grow = np.float32(1.6 * (size - 1.0))
    distance = far
    if high > -4 and low < 40:
        flat = z * np.float32(0.55)  # taller than wide
        horn = capsule(ax, y, flat, (4.5, -4.0, 6.5), (13.5, -29.0, 5.6), (4.4, 3.4))
        head = ellipsoid(ax, y, z, (14.0, -12.0, 8.0), (7.0, 13.0, 13.0))
        horn = np.maximum(horn, -head - 0.6 * grow)
        body = rods(ax, y, z, [(6.0, -6.0, 18.0), (9.0, 10.0, 21.5), (15.0, 27.0, 19.0)], [4.0, 4.4, 5.2])
        atrium = rods(ax, y, z, [(15.0, 27.0, 19.0), (24.0, 41.0, 11.0), (25.0, 62.0, 6.0)], [5.0, 5.0, 1.2])
        distance = np.minimum(smooth_union(smooth_union(horn, body, 3.0), atrium, 2.0) - grow, far)
        distance = np.maximum(distance, 0.7 - ax)  # septum pellucidum
        third = ellipsoid(ax, y, z, (0.0, 9.0, 0.0), (1.3 + 1.5 * size, 14.0, 13.0))
        distance = np.minimum(distance, third)
    if high > -32 and low < 20:
        temporal = rods(ax, y, z, [(25.0, 41.0, 9.0), (34.0, 24.0, -11.0), (31.0, 4.0, -20.0)], [3.0, 1.0, 1.3])
        third = ellipsoid(ax, y, z, (0.0, 9.0, 0.0), (1.3 + 1.5 * size, 14.0, 13.0))
        distance = np.minimum.reduce([distance, temporal - grow, third])
    if high > -52 and low < 0:
        bent = y + np.float32(0.05) * ax * ax
        fourth = ellipsoid(ax, bent, z, (0.0, 44.0, -34.0), (7.0 + 2.0 * size, 3.2 + 1.8 * size, 12.0))
        aqueduct = capsule(ax, y, z, (0.0, 26.0, -4.0), (0.0, 38.0, -24.0), (1.0, 1.2))
        distance = np.minimum.reduce([distance, fourth, aqueduct])
    return distance


def deep_grey(ax: Field, y: Field, z: Field) -> Field:
    """Signed distance (mm) to caudate nucleus, putamen, pallidum and thalamus."""
    tilt = ax - np.float32(0.16) * y
    return np.minimum.reduce(
        [
            ellipsoid(ax, y, z, (13.0, -12.0, 8.0), (5.8, 11.0, 12.0)),
            rods(ax, y, z, [(14.0, -4.0, 16.0), (18.0, 16.0, 21.0)], [3.6, 2.6]),
            ellipsoid(tilt, y, z, (25.5, -1.0, 3.0), (5.0, 15.5, 11.5)),
            ellipsoid(tilt, y, z, (19.0, 2.0, 0.0), (4.0, 8.5, 7.5)),
            ellipsoid(ax - np.float32(0.18) * (y - 17.0), y, z, (10.5, 17.0, 8.0), (7.5, 14.0, 10.0)),
        ]
    )


def tentorium(ax: Field, y: Field) -> Field:
    """Height (mm) of the tentorium cerebelli."""
    apex = 5.0 - 0.36 * np.maximum(y - 46.0, 0.0) - 0.6 * np.maximum(46.0 - y, 0.0)
    return apex - np.float32(0.42) * ax


def paint_brain(brain: Brain, x: Field, y: Field, z: Field, depth: Field, softness: float) -> BrainSlice:
    """Paint everything inside the cranial cavity except blood.

    Args:
        brain: the patient's brain.
        x: brain coordinates in mm (head coordinates moved by mass effect), shape (K, H, W).
        y: as ``x``.
        z: as ``x``.
        depth: depth below the inner table in mm, as ``x``.
        softness: pixel spacing in mm.
    """
    canvas = Canvas(x, y, z, softness)
    ax, a = canvas.ax, brain.atrophy
    relief = brain.relief(x, y, z)
    cloud = brain.cloud(x, y, z)
    gap = np.float32(0.5 + 1.6 * a) * (1.0 + 0.25 * relief) + np.float32(0.5 + 1.5 * a) * coverage(y + 30.0, 40.0)

    # Interhemispheric fissure: absent inside the ellipse that callosum and central nuclei fill.
    middle = x + 1.1 * np.sin(y * 0.13 + brain.phase[0]) + 0.7 * np.sin(y * 0.31 + z * 0.2 + brain.phase[1])
    core = (np.sqrt(((y - 5.0) / 41.0) ** 2 + ((z - 1.0) / 27.0) ** 2) - 1.0) * 30.0
    fissure = np.maximum(np.abs(middle) - (0.9 + 1.2 * a + 0.35 * relief), -core)
    off_fissure = np.sqrt(middle * middle + np.minimum(core, 0.0) ** 2)

    # Sylvian fissure: the cistern over the insula and the stem that reaches the surface.
    wave = 1.5 * np.sin(ax * 0.25 + z * 0.3 + brain.phase[2])
    insula = ax - 39.5 + 0.9 * cloud + 0.010 * (y - 2.0) ** 2 + 0.008 * (z - 2.0) ** 2
    edge = (np.sqrt(((y - 2.0) / 23.0) ** 2 + ((z - 2.0) / 17.0) ** 2) - 1.0) * 18.0
    over_insula = np.maximum(np.abs(insula), edge)
    rise = y - (1.0 + 1.15 * z - 0.25 * (ax - 45.0)) + wave
    stem = np.maximum.reduce([np.abs(rise) * 0.68, 37.0 - ax, np.abs(z - 4.0) - 20.0])
    sylvian = np.minimum(over_insula, stem)

    # Sulci: zero level of a noise that hardly changes with depth.
    k = np.sqrt((x / 68.0) ** 2 + ((y - 15.0) / 88.0) ** 2 + ((z - 2.0) / 76.0) ** 2)
    out = np.maximum(k, 0.2) ** np.float32(-0.72)
    n = brain.gyri(x * out + 2.0 * cloud, (y - 15.0) * out + 2.0 * relief, (z - 2.0) * out)
    gy, gx = (np.gradient(n, axis=axis) / softness for axis in (1, 2)) if n.shape[1] > 1 else (0 * n, 0 * n)
    sulcus = np.abs(n) / np.sqrt(gx * gx + gy * gy + (0.45 * 6.28 / brain.gyri.wavelength) ** 2)
    surface = np.minimum(depth - gap, off_fissure)
    reach = 15.0 + 4.0 * relief
    taper = np.clip(1.0 - surface / reach, 0.0, 1.0)
    width = (0.55 + 0.95 * a) * taper * (1.0 + 0.4 * relief) - 0.3 * (1.0 - taper)
    crown = coverage(40.0 - z, 30.0)
    width += (0.20 + 0.35 * a) * crown * taper
    sulci = np.maximum(sulcus - width, surface - reach)

    # Grey and white matter.
    to_grey = np.minimum.reduce([surface - 3.2, np.maximum(sulcus - 2.5, surface - reach - 2.0), sylvian - 3.2])
    white_here = brain.white - brain.leukoaraiosis * coverage(ellipsoid(ax, y, z, (18, 10, 20), (12, 42, 10)), 8.0)
    canvas.hu[:] = white_here + 0.5 * cloud
    canvas.blend(coverage(to_grey, 3.0), brain.grey)
    if canvas.reaches(-14.0, 28.0):
        canvas.blend(coverage(deep_grey(ax, y, z), 2.0), brain.grey - 0.5)
    white = np.clip((brain.grey - canvas.hu) / (brain.grey - brain.white), 0.0, 1.0)

    # CSF of the cerebrum.
    fluid = coverage(
        np.minimum.reduce(
            [
                sulci,
                fissure,
                over_insula - (0.5 + 1.4 * a + 0.7 * relief - 0.02 * y),
                stem - (0.4 + 1.3 * a + 0.3 * relief),
            ]
        ),
        softness,
    )
    fluid = np.maximum(fluid, coverage(depth - gap, softness))
    if canvas.reaches(-90.0, 12.0):
        cisterns = _below(brain, canvas, depth, cloud, white)
        fluid *= 1.0 - cisterns[1]
        fluid = np.maximum(fluid, cisterns[0])
    distance = ventricles(ax, y, z, brain.ventricles)
    canvas.blend(fluid, CSF)
    canvas.paint(distance, CSF)
    white *= 1.0 - fluid
    _dura(brain, canvas, depth, middle, core)
    _calcifications(brain, canvas)
    return BrainSlice(canvas.hu, fluid, distance, white)


def _below(brain: Brain, canvas: Canvas, depth: Field, cloud: Field, white: Field) -> tuple[Field, Field]:
    """Paint brain stem and cerebellum; return the cisterns (0 to 1) and where the posterior fossa replaces cerebrum."""
    ax, x, y, z, a = canvas.ax, canvas.x, canvas.y, canvas.z, brain.atrophy
    roof = tentorium(ax, y)
    petrous = 12.0 + 0.6 * (ax - 10.0)
    fossa = np.maximum(z - roof, (petrous - y) * 0.85)
    fossa = np.maximum(fossa, ax - 62.0)
    inside = coverage(fossa, 1.5)
    # Brain stem: midbrain with its peduncles, pons, medulla, cord.
    waist = y - np.float32(0.012) * (ax - 8.0) ** 2
    stem = np.minimum.reduce(
        [
            ellipsoid(ax, y, z, (7.5, 17.0, -12.0), (8.5, 9.0, 11.0)),
            ellipsoid(ax, y, z, (0.0, 25.0, -10.0), (14.0, 11.5, 14.0)),
            ellipsoid(ax, waist, z, (0.0, 24.5, -32.0), (17.5, 14.0, 15.0)),
            rods(ax, y, z, [(0.0, 30.0, -44.0), (0.0, 38.0, -60.0), (0.0, 46.0, -90.0)], [9.5, 7.2, 5.5]),
        ]
    )
    peduncle = capsule(ax, y, z, (12.0, 28.0, -33.0), (24.0, 46.0, -36.0), (7.5, 8.0))
    gap = 0.7 + 1.2 * a
    tonsils = ellipsoid(ax, y, z, (8.0, 52.0, -56.0), (6.0, 9.0, 9.0))
    front = np.maximum(petrous + 9.0 - 0.12 * ax - y, -60.0 - z)  # behind the cistern of the cerebellopontine angle
    notch = 1.0 - np.sqrt((x / 4.5) ** 2 + ((y - 101.0) / 9.0) ** 2)  # of the falx cerebelli
    lobe = np.maximum.reduce([np.minimum(front, tonsils), fossa + gap, gap - depth, 4.0 * notch])
    lobe = np.maximum(lobe, 4.0 - 0.8 * np.abs(ax) - (y - 40.0) * 0.4 - np.maximum(z + 45.0, 0.0) * 5.0)
    cerebellum = np.minimum(lobe, peduncle)
    radius = np.sqrt((ax * 0.75) ** 2 + (y - 34.0) ** 2 + (1.25 * (z + 34.0)) ** 2)
    folia = np.sin(radius * np.float32(1.55) + 1.4 * cloud)
    rim = coverage(-lobe - 9.0 - 2.0 * cloud, 6.0)
    bark = brain.grey - 3.2 - (2.0 + 4.5 * a) * np.clip(folia - 0.2, 0, 1) * (1.0 - rim)
    core = np.minimum(ellipsoid(ax, y, z, (17.0, 55.0, -37.0), (13.0, 14.0, 8.0)), peduncle)
    bark += coverage(core, 5.0) * (brain.white + 2.0 - bark)
    tissue = np.minimum(stem, np.where(fossa < 0, cerebellum, np.float32(50.0)))
    # Cerebrospinal fluid around them; above the tentorium the cerebrum comes close to the brain stem.
    near = (
        coverage(stem - (1.6 + 2.2 * a) * (1.0 + 0.4 * cloud + 0.5 * coverage(29.0 - y, 8.0)), 2.0)
        * coverage(z + 3.0 - cloud, 3.0)
        * coverage(y - 46.0, 4.0)
    )
    angle = np.arctan2(x, y - 3.0)
    star = np.sqrt(x * x + (y - 3.0) ** 2) - (9.0 + 2.5 * a) - 3.6 * np.cos(5.0 * angle + 3.14159)
    star = np.maximum(star * 0.8, np.abs(z + 17.0) - 7.0)
    limb = capsule(ax, y, z, (9.0, -3.0, -16.0), (34.0, -12.0, -13.0), (1.6 + a, 1.2 + a))
    smile = ellipsoid(ax, y + np.float32(0.05) * ax * ax, z, (0.0, 42.0, -3.0), (17.0, 3.0 + 1.5 * a, 6.0))
    magna = ellipsoid(ax, y, z, (0.0, 82.0, -55.0), (12.0, 12.0, 13.0))
    pool = np.maximum(coverage(np.minimum.reduce([star, limb, smile]), canvas.softness), near)
    pool = np.maximum(pool, inside)
    pool = np.maximum(pool, coverage(np.maximum(magna, fossa), canvas.softness) * 1.0)
    solid = coverage(tissue, canvas.softness)
    pool *= 1.0 - solid
    replaced = np.maximum(inside, solid)
    canvas.blend(coverage(lobe, canvas.softness) * inside, bark)
    canvas.blend(coverage(peduncle, 2.0) * inside, brain.white + 3.0)
    canvas.blend(coverage(stem, 1.5), 0.45 * brain.grey + 0.55 * brain.white)
    white *= 1.0 - solid
    white += 0.5 * solid
    return pool, replaced


def _dura(brain: Brain, canvas: Canvas, depth: Field, middle: Field, core: Field) -> None:
    """Paint falx, tentorium and the venous sinuses."""
    ax, y, z = canvas.ax, canvas.y, canvas.z
    free = 12.0 - 0.16 * (y + 40.0)  # the falx is shallow in front and reaches the splenium behind
    behind = coverage(np.maximum(tentorium(ax, y) - z, 6.0 - y * 0.0 - 60.0), 2.0) if canvas.low < 10 else 1.0
    falx = np.maximum.reduce([np.abs(middle) - 0.45, np.maximum(free, 0.5) - core, -8.0 - z])
    canvas.blend(coverage(falx, canvas.softness) * behind, DURA)
    sagittal = np.maximum(np.abs(canvas.x) - (3.4 - 0.45 * depth), depth - 5.5) * 0.8
    sagittal = np.maximum(sagittal, np.where(y > 0, -14.0 - z, 12.0 - z))
    canvas.paint(sagittal, SINUS)
    if canvas.reaches(-40.0, 12.0):
        roof = tentorium(ax, y)
        notch = np.maximum(np.minimum(44.0 - y, 90.0), -(ax - 19.0))
        sheet = np.maximum.reduce([np.abs(z - roof) * 0.92 - 0.9, notch, 12.0 + 0.6 * (ax - 10.0) - y])
        canvas.paint(sheet, DURA - 3.0)
        transverse = np.maximum(np.abs(z + 17.0 + 0.12 * ax) - 4.0, depth - 4.5)
        canvas.paint(np.maximum.reduce([transverse, 55.0 - y, ax - 60.0]), SINUS)
        canvas.ball((0.0, 10.5, -24.0), (1.8, 1.8, 12.0), 46.0)  # basilar artery


def _calcifications(brain: Brain, canvas: Canvas) -> None:
    """Paint pineal gland and choroid plexus, calcified in many adults."""
    pineal, plexus = brain.calcified
    canvas.ball((0.0, 33.0, 2.0), (2.6, 3.2, 2.6), 190.0 if pineal else 42.0)
    canvas.rod([(19.0, 34.0, 15.0), (24.0, 43.0, 10.0)], [1.6, 2.2], 170.0 if plexus else 34.0)
