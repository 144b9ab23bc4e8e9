"""Face, skull base below the brain, and neck of the phantom."""

from dataclasses import dataclass

import numpy as np

from ichmonai.datasets.phantom.fields import Canvas, Field, capsule, coverage, ellipsoid, rods, smooth_max
from ichmonai.datasets.phantom.skull import Skull, glabella

FAT, MUSCLE, SKIN, AIR = -100.0, 55.0, 30.0, -1000.0
"""HU of fat, muscle, skin and air."""


@dataclass(frozen=True)
class Face:
    """What varies in one patient's face and neck.

    Attributes:
        gaze: turn of the eyes in mm of the lens to the left.
        sinus_fluid: HU of what fills the maxillary sinuses (air in most patients).
        turbinate: phase of the nasal turbinates.
    """

    gaze: float
    sinus_fluid: float
    turbinate: float

    @staticmethod
    def random(rng: np.random.Generator) -> "Face":
        """Draw a face."""
        return Face(
            gaze=float(rng.normal(0, 1.2)),
            sinus_fluid=float(rng.choice([AIR, AIR, AIR, 20.0])),
            turbinate=float(rng.uniform(0, 6)),
        )


def paint_soft_tissue(canvas: Canvas, skull: Skull, head: Field, vault: Field, inside: Field) -> None:
    """Paint skin, subcutaneous fat and muscle (signed distances in mm to skin, vault, cavity)."""
    x, y, z, ax = canvas.x, canvas.y, canvas.z, canvas.ax
    canvas.paint(head, FAT)
    canvas.paint(np.maximum(head, -head - 1.7), SKIN)
    over = vault - skull.thickness
    # Galea and the temporal muscle on the calvarium.
    temporal = ellipsoid(ax, y, z, (66.0, -22.0, -14.0), (18.0, 30.0, 46.0))
    canvas.paint(np.maximum.reduce([temporal, head + 3.2, 0.5 - inside]), MUSCLE)
    canvas.paint(np.maximum(np.abs(over - 1.1) - 0.8, head + 1.5), 35.0)
    if not canvas.reaches(-100.0, -12.0):
        return
    # Neck and face below the skull: bundles of muscle in fat.
    strands = skull.texture(x * 0.8, y * 0.8, z * 0.25)
    deep = np.maximum(head + 5.0 + 3.0 * coverage(z + 60.0, 30.0) + strands, 0.5 - inside)
    planes = 0.6 - np.abs(skull.texture(x * 0.5 + 30.0, y * 0.5, z * 0.2)) * 3.5  # fat between the muscles
    planes = np.maximum(planes, 2.5 * (skull.texture(x * 0.4, y * 0.4 + 50.0, z * 0.15) - 1.35))
    canvas.paint(np.maximum(deep, planes), MUSCLE - 4.0 + 4.0 * strands)


def paint_face(canvas: Canvas, skull: Skull, face: Face, head: Field, vault: Field) -> None:
    """Paint facial skeleton, air spaces, orbits and the neck."""
    if not canvas.reaches(-100.0, 0.0):
        return
    x, y, z, ax = canvas.x, canvas.y, canvas.z, canvas.ax
    bone = skull.bone
    _muscles(canvas, head)
    _neck(canvas, bone)
    # Zygoma, zygomatic arch, mandible, pterygoid plates, nasal bones, palate.
    canvas.rod(
        [(38.0, -70.0, -50.0), (52.0, -56.0, -50.0), (64.0, -30.0, -48.0), (67.0, -8.0, -47.0), (62.0, 8.0, -46.0)],
        [4.2, 4.0, 2.4, 2.2, 3.0],
        bone * 0.75,
    )
    canvas.rod([(45.0, -68.0, -24.0), (49.0, -61.0, -38.0), (48.0, -60.0, -50.0)], [3.5, 3.0, 4.5], bone * 0.8)
    canvas.ball((50.0, 9.0, -48.0), (8.0, 4.5, 5.0), bone * 0.7)
    canvas.paint(np.maximum(rods(ax, y, z, [(50.0, 9.0, -50.0), (47.0, 0.0, -95.0)], [3.4, 4.2]), z + 48.0), bone * 0.8)
    canvas.rod([(49.0, -14.0, -54.0), (47.0, -10.0, -95.0)], [2.2, 4.0], bone * 0.75)
    canvas.rod([(14.0, -14.0, -45.0), (16.0, -6.0, -76.0)], [2.6, 2.0], bone * 0.6)
    canvas.rod([(15.0, -14.0, -50.0), (22.0, -2.0, -68.0)], [1.6, 1.2], bone * 0.6)
    canvas.rod([(1.8, -83.0, -22.0), (5.0, -92.0, -48.0)], [2.6, 1.3], bone * 0.6)
    if canvas.reaches(-100.0, -66.0):
        arch = (np.sqrt((x / 27.0) ** 2 + ((y + 40.0) / 42.0) ** 2) - 1.0) * 28.0
        teeth = bone + 500.0 * np.sin(np.arctan2(x, -(y + 30.0)) * 14.0)
        canvas.paint(np.maximum.reduce([np.abs(arch) - 5.0, y + 22.0, z + 70.0]), teeth)
        canvas.paint(np.maximum.reduce([arch, np.abs(z + 71.0) - 2.0, y + 16.0]), bone * 0.6)
    _nose(canvas, skull, face, vault)
    _orbits(canvas, skull, face)
    _temporal_bone(canvas, skull, head)


def _muscles(canvas: Canvas, head: Field) -> None:
    """Paint the muscles of mastication, of the neck, and the parotid gland."""
    canvas.ball((30.0, 2.0, -62.0), (16.0, 13.0, 16.0), MUSCLE)  # lateral pterygoid
    canvas.ball((34.0, -2.0, -78.0), (7.0, 15.0, 22.0), MUSCLE)  # medial pterygoid
    canvas.ball((58.0, -10.0, -72.0), (6.0, 17.0, 24.0), MUSCLE + 3.0)  # masseter
    canvas.ball((54.0, -28.0, -44.0), (7.0, 15.0, 26.0), MUSCLE)  # temporal muscle below the arch
    canvas.ball((58.0, 16.0, -72.0), (9.0, 13.0, 20.0), 5.0)  # parotid gland
    canvas.ball((8.0, 20.0, -70.0), (8.5, 6.0, 22.0), MUSCLE)  # prevertebral muscles
    canvas.ball((50.0, 42.0, -82.0), (7.0, 14.0, 30.0), MUSCLE)  # sternocleidomastoid
    for centre, radii in (
        ((9.0, 72.0), (7.5, 13.0)),
        ((22.0, 74.0), (6.5, 13.0)),
        ((33.0, 66.0), (6.5, 13.0)),
        ((18.0, 88.0), (16.0, 4.0)),
        ((36.0, 80.0), (9.0, 5.0)),
        ((24.0, 58.0), (8.0, 5.0)),
    ):
        slope = canvas.y - np.float32(0.25) * (canvas.z + 75.0)
        shape = np.sqrt(((canvas.ax - centre[0]) / radii[0]) ** 2 + ((slope - centre[1]) / radii[1]) ** 2)
        canvas.paint(np.maximum.reduce([(shape - 1.0) * min(radii), canvas.z + 54.0, head + 5.0]), MUSCLE)


def _neck(canvas: Canvas, bone: float) -> None:
    """Paint occipital condyles, the first two vertebrae, the canal with the cord, and the pharynx."""
    x, y, z = canvas.x, canvas.y, canvas.z
    canvas.ball((17.0, 36.0, -66.0), (7.0, 11.0, 5.5), bone * 0.65)
    if canvas.reaches(-110.0, -66.0):
        ring = np.sqrt((x / 1.15) ** 2 + ((y - 46.0) / 1.0) ** 2)
        canvas.paint(np.maximum(ring - 14.0, z + 62.0), -30.0)
        canvas.paint(np.maximum.reduce([np.abs(ring - 18.5) - 2.6, np.abs(z + 78.0) - 5.5]), bone * 0.85)
        canvas.ball((22.0, 40.0, -78.0), (11.0, 9.0, 9.0), bone * 0.65)
        canvas.rod([(30.0, 40.0, -78.0), (41.0, 42.0, -78.0)], [5.0, 3.5], bone * 0.7)
        canvas.rod([(0.0, 33.0, -71.0), (0.0, 33.0, -110.0)], [4.6, 6.5], bone * 0.8)
        canvas.ball((18.0, 38.0, -98.0), (13.0, 10.0, 10.0), bone * 0.6)
        canvas.paint(np.maximum(ring - 12.0, z + 62.0), 12.0)
        canvas.rod([(0.0, 46.0, -60.0), (0.0, 47.0, -110.0)], [6.5, 5.5], 34.0)
    canvas.ball((0.0, 3.0, -66.0), (11.0, 8.0, 12.0), AIR)
    canvas.rod([(0.0, 2.0, -72.0), (0.0, 8.0, -110.0)], [7.0, 8.0], AIR)


def _nose(canvas: Canvas, skull: Skull, face: Face, vault: Field) -> None:
    """Paint nasal cavity with septum and turbinates, and the paranasal sinuses."""
    x, y, z, ax = canvas.x, canvas.y, canvas.z, canvas.ax
    bone = skull.bone * 0.55
    if canvas.reaches(-90.0, -38.0):
        maxilla = ellipsoid(ax, y, z, (31.0, -52.0, -57.0), (22.0, 25.0, 19.0))
        maxilla = smooth_max(maxilla, 16.5 - ax, 3.0)
        maxilla = smooth_max(maxilla, 0.62 * (ax - 45.0) + 0.78 * (y + 58.0), 4.0)
        maxilla = smooth_max(maxilla, -0.93 * (y + 74.0) + 0.36 * (ax - 17.0), 4.0)
        canvas.paint(np.abs(maxilla + 0.2) - 1.2, bone)
        canvas.paint(maxilla + 1.4, face.sinus_fluid)
        cavity = np.maximum.reduce(
            [ellipsoid(ax, y, z, (0.0, -53.0, -58.0), (16.0, 52.0, 19.0)), np.abs(y + 50.0) - 33.0, -0.1 * z - 7.5]
        )
        canvas.paint(cavity - 1.2, bone)
        canvas.paint(cavity, AIR)
        bulge = 1.2 * np.sin(0.16 * y + 0.2 * z + face.turbinate)
        curl = ax + 0.7 * np.sin(0.33 * y + face.turbinate) + 0.04 * (y + 50.0)
        for level, width in ((-66.0, 4.2), (-56.0, 3.6), (-47.0, 2.6)):
            canvas.paint(ellipsoid(curl, y, z, (8.5, -48.0, level), (width, 23.0, 6.0)), 45.0)
            canvas.paint(ellipsoid(curl, y, z, (9.0, -46.0, level), (0.8, 15.0, 4.0)), bone * 0.8)
        canvas.paint(np.maximum(np.abs(x + bulge) - 1.5, cavity), 45.0)
        canvas.paint(np.maximum.reduce([np.abs(x + bulge) - 0.4, cavity, -72.0 - y]), bone * 0.9)
    if canvas.reaches(-48.0, -18.0):
        cells = skull.texture(x * 1.0, y * 0.9, z * 0.5)
        box = np.maximum.reduce([ax - 12.5, np.abs(y + 44.0) - 25.0, np.abs(z + 36.0) - 10.0])
        canvas.paint(box - 1.0, bone)
        air = np.maximum.reduce([box, 0.9 - ax, 0.8 - 4.0 * np.abs(cells - 0.2)])
        canvas.paint(air, AIR)
        sphenoid = ellipsoid(ax, y, z, (7.5, -8.0, -43.0), (8.5, 11.0, 8.0))
        canvas.paint(ellipsoid(ax, y, z, (3.0, -6.0, -43.0), (18.0, 15.0, 12.0)), bone * 1.1)
        canvas.paint(sphenoid, AIR)
        canvas.paint(np.maximum(sphenoid, np.abs(x - 2.0) - 0.7), bone)
    size = skull.frontal_sinus
    if size > 0 and canvas.reaches(-34.0, 14.0):
        outline = ellipsoid(ax, y, z, (11.0 * size, -80.0, -13.0), (12.0 * size, 14.0, 17.0 * size))
        outline = outline + 2.0 * skull.texture(x, y, z)
        outer = vault - skull.thickness - glabella(x, y, z) + 2.2
        sinus = np.maximum.reduce([outline, 2.2 - vault, outer, 0.6 - np.abs(x - 2.0)])
        canvas.paint(sinus, AIR)


def _orbits(canvas: Canvas, skull: Skull, face: Face) -> None:
    """Paint orbital walls, fat, muscles, optic nerve and the eyes."""
    if not canvas.reaches(-60.0, -8.0):
        return
    x, y, z, ax = canvas.x, canvas.y, canvas.z, canvas.ax
    cone = capsule(ax, y, z, (15.0, -20.0, -30.0), (31.0, -70.0, -35.0), (2.0, 18.0))
    front = 0.6 * np.maximum(ax - 24.0, 0.0) - y  # the lateral rim lies behind the medial one
    cone = np.maximum(cone, front - 86.0)
    wall = 0.9 + 1.1 * coverage(40.0 - ax, 10.0) + 1.6 * coverage(y + 72.0, 8.0)
    rim = np.maximum(cone - wall, front - 82.0)
    canvas.paint(rim, skull.bone * 0.8)
    canvas.paint(cone, -85.0)
    canvas.paint(np.maximum.reduce([cone, 79.0 - front]), 20.0)  # eyelids and septum
    muscle = MUSCLE - 8.0
    canvas.rod([(15.0, -24.0, -32.0), (19.0, -50.0, -34.0), (21.0, -66.0, -35.0)], [1.4, 2.2, 1.2], muscle)
    canvas.rod([(17.0, -23.0, -32.0), (37.0, -45.0, -34.0), (43.0, -62.0, -35.0)], [1.3, 2.0, 1.0], muscle)
    canvas.rod([(16.0, -24.0, -28.0), (27.0, -46.0, -21.0), (31.0, -64.0, -22.0)], [1.4, 2.2, 1.0], muscle)
    canvas.rod([(16.0, -24.0, -34.0), (27.0, -46.0, -47.0), (31.0, -64.0, -48.0)], [1.4, 2.2, 1.0], muscle)
    canvas.rod([(15.0, -22.0, -31.0), (22.0, -38.0, -33.0), (31.0, -56.0, -35.0)], [2.0, 2.0, 2.0], 36.0)
    globe = ellipsoid(ax, y, z, (32.0, -68.0, -35.0), (12.3, 12.0, 12.2))
    canvas.paint(globe, 48.0)
    canvas.paint(globe + 1.5, 9.0)
    lens = ellipsoid(ax - face.gaze * np.sign(x), y, z, (32.0, -76.5, -35.0), (4.4, 2.1, 4.4))
    canvas.paint(lens, 85.0)


def _temporal_bone(canvas: Canvas, skull: Skull, head: Field) -> None:
    """Paint petrous pyramid, ear canal, mastoid air cells and the inner ear."""
    if not canvas.reaches(-75.0, -20.0):
        return
    x, y, z, ax = canvas.x, canvas.y, canvas.z, canvas.ax
    texture = skull.texture(x * 1.6, y * 1.6, z * 1.2)
    pyramid = rods(ax, y, z, [(13.0, 15.0, -38.0), (34.0, 27.0, -38.0), (56.0, 38.0, -42.0)], [7.5, 9.5, 13.0])
    clivus = rods(ax, y, z, [(0.0, 7.0, -36.0), (0.0, 22.0, -60.0)], [8.0, 4.5])
    mastoid = rods(ax, y, z, [(57.0, 38.0, -40.0), (55.0, 36.0, -66.0)], [13.0, 6.0])
    body = np.maximum(np.minimum(pyramid, clivus), np.float32(-100.0))
    outer = head + 5.0
    canvas.paint(np.maximum(np.minimum(body, mastoid), outer), skull.bone * 0.72 + 110.0 * texture)
    canvas.paint(np.maximum(pyramid + 3.0, np.abs(ax - 32.0) - 16.0), skull.bone + 150.0)
    cells = np.maximum(mastoid + 2.0, 0.2 - texture * 2.0)
    canvas.paint(np.maximum(cells, 45.0 / skull.pneumatisation - ax), -820.0)
    canvas.rod(
        [(40.0, 24.0, -42.0), (45.0, 23.0, -43.0), (60.0, 22.0, -44.0), (82.0, 27.0, -48.0)], [3.0, 2.6, 2.4, 3.4], AIR
    )  # ear canal and middle ear
    canvas.rod([(20.0, 21.0, -35.0), (29.0, 24.0, -35.0)], [2.8, 1.6], 20.0)  # internal auditory canal
    canvas.ball((31.0, 20.0, -38.0), (2.2, 2.0, 2.2), 250.0)  # cochlea
    canvas.ball((36.0, 27.0, -34.0), (1.6, 2.6, 1.6), 250.0)  # labyrinth
