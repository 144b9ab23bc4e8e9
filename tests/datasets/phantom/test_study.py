"""The phantom's anatomy, truth and determinism."""

import numpy as np
import pytest
from scipy import ndimage

from ichmonai.classes import LOCATIONS, NOT_APPLICABLE, RSNA_LABELS
from ichmonai.datasets.phantom import (
    COMPARTMENTS,
    VISIBLE_MM2,
    HolderDesign,
    PhantomKind,
    PhantomStudy,
    cohort_kinds,
    make_cohort,
    make_study,
)
from ichmonai.datasets.phantom.haemorrhage import Haemorrhage

SIZE = 96


@pytest.fixture(scope="module")
def studies() -> dict[PhantomKind, PhantomStudy]:
    return {kind: make_study(40 + i, kind, SIZE) for i, kind in enumerate(PhantomKind)}


def _middle(study: PhantomStudy) -> int:
    """The slice with most brain."""
    return int(np.argmax([record.brain_mm2 for record in study.truth]))


def test_same_seed_gives_the_same_study():
    first, second = make_study(3, "lobar", 64), make_study(3, "lobar", 64)
    np.testing.assert_array_equal(first.hu, second.hu)
    np.testing.assert_array_equal(first.affine, second.affine)
    assert first.truth == second.truth
    assert (make_study(4, "lobar", 64).affine != first.affine).any()


def test_a_generator_is_a_seed_too():
    first = make_study(np.random.default_rng(5), size=64)
    second = make_study(np.random.default_rng(5), size=64)
    np.testing.assert_array_equal(first.hu, second.hu)
    assert first.kind is second.kind


@pytest.mark.parametrize(("size", "kind"), [(63, "deep"), (32, "deep"), (64, "migraine")])
def test_wrong_arguments_are_refused(size, kind):
    with pytest.raises(ValueError, match=r"size is|is not a valid"):
        make_study(0, kind, size)


@pytest.mark.parametrize("kind", list(PhantomKind))
def test_every_kind_shows_what_it_is_called(studies, kind):
    study = studies[kind]
    assert study.hu.shape == (SIZE, SIZE, len(study.truth))
    assert study.hu.dtype == np.int16
    assert 28 <= study.hu.shape[2] <= 34
    if kind is PhantomKind.NORMAL:
        assert not study.blood.any()
        assert not any(any(record.rsna) for record in study.truth)
        return
    expected = kind.value if kind.value in RSNA_LABELS else "intraparenchymal"
    shown = [record for record in study.truth if record.rsna[RSNA_LABELS.index(expected)]]
    assert len(shown) >= 2
    intracerebral = kind.value in LOCATIONS
    for record in study.truth:
        assert record.ich == (1 if intracerebral and record in shown else 0)
        assert record.location == (LOCATIONS.index(kind.value) if record.ich else NOT_APPLICABLE)
    millilitres = sum(record.blood_mm2 for record in study.truth) * 5.0 / 1000.0
    assert 0.5 < millilitres < 200.0


@pytest.mark.parametrize("kind", [kind for kind in PhantomKind if kind is not PhantomKind.NORMAL])
def test_labels_agree_with_the_blood_mask(studies, kind):
    study = studies[kind]
    for record in study.truth:
        mask = study.blood[..., record.index]
        areas = [float((mask == i + 1).sum()) * study.spacing**2 for i in range(len(COMPARTMENTS))]
        assert record.rsna == (max(a >= VISIBLE_MM2 for a in areas), *(a >= VISIBLE_MM2 for a in areas))
        assert record.blood_mm2 == pytest.approx(sum(areas))
        assert record.brain_mm2 == pytest.approx(float(study.brain[..., record.index].sum()) * study.spacing**2)
    assert not (study.blood.astype(bool) & ~study.head).any()


def test_blood_is_bright_and_denser_than_brain(studies):
    for kind in (PhantomKind.DEEP, PhantomKind.LOBAR, PhantomKind.SUBTENTORIAL, PhantomKind.EPIDURAL):
        study = studies[kind]
        core = ndimage.binary_erosion(study.blood > 0, np.ones((3, 3, 1)))
        assert 50 < np.median(study.hu[core]) < 80


def test_locations_are_where_their_names_say(studies):
    def height(kind: PhantomKind) -> float:
        study = studies[kind]
        blood = np.argwhere(study.blood == 1 + COMPARTMENTS.index("intraparenchymal"))
        brain = np.argwhere(study.brain)
        return float((blood[:, 2].mean() - brain[:, 2].min()) / np.ptp(brain[:, 2]))

    assert height(PhantomKind.SUBTENTORIAL) < 0.35 < height(PhantomKind.DEEP) < 0.75


def test_tissue_has_plausible_hu(studies):
    study = studies[PhantomKind.NORMAL]
    s = _middle(study)
    hu, head, brain = (a[..., s] for a in (study.hu, study.head, study.brain))
    spaces = ndimage.binary_erosion(brain, iterations=4)
    assert 26 < np.median(hu[spaces]) < 38
    assert np.median(hu[~head & ~study.holder[..., s]]) < -950
    skull = ndimage.binary_dilation(brain, iterations=4) & ~ndimage.binary_dilation(brain, iterations=1)
    assert 600 < np.percentile(hu[skull], 75) < 1900
    scalp = head & ~ndimage.binary_dilation(brain, iterations=6)
    assert hu[scalp].min() < -40  # fat
    smooth = ndimage.gaussian_filter(hu.astype(float), 0.6)[spaces]
    assert np.percentile(smooth, 0.5) < 22  # fluid
    assert np.percentile(smooth, 80) < 42  # no blood


def test_air_spaces_and_bone_lie_at_the_skull_base(studies):
    study = studies[PhantomKind.NORMAL]
    low = slice(0, study.hu.shape[2] // 3)
    assert (study.hu[..., low][study.head[..., low]] < -500).sum() * study.spacing**2 * 5 > 10_000  # sinuses, mm3
    top = slice(2 * study.hu.shape[2] // 3, None)
    inside = ndimage.binary_erosion(study.head[..., top], np.ones((5, 5, 1)))
    assert not (study.hu[..., top][inside] < -500).any()


@pytest.mark.parametrize("design", list(HolderDesign))
def test_holder_never_touches_the_head_mask(design):
    study = make_study(7, "normal", 96, holder=design)
    assert study.holder.any()
    assert not (study.holder & study.head).any()
    dense = (study.hu > -300) & ~study.head & ~study.holder
    assert dense.mean() < 2e-3  # all that is not head is holder or air


def test_mass_effect_pushes_the_brain_away():
    bleed = Haemorrhage.random(np.random.default_rng(2), PhantomKind.DEEP)
    assert bleed.haematoma is not None
    centre, radius = np.array(bleed.haematoma.centre), bleed.haematoma.radii[0]
    medial = np.array([-np.sign(centre[0]), 0.0, 0.0])
    for beyond, least, most in ((1.05, 0.1 * radius, radius), (6.0, 0.0, 0.05 * radius)):
        point = centre + beyond * radius * medial
        x, y, z, depth = (np.full((1, 1, 1), v, np.float32) for v in (*point, 40.0))
        source = np.array([float(v.item()) for v in bleed.displace(x, y, z, depth, 0.0)])
        assert least <= (point - source) @ medial <= most  # pushed towards the midline, and not far away


def test_cohort_does_not_depend_on_the_number_of_workers():
    alone = list(make_cohort(3, seed=9, size=64, workers=1))
    shared = list(make_cohort(3, seed=9, size=64, workers=2))
    for a, b in zip(alone, shared, strict=True):
        assert (a.patient, a.kind, a.truth) == (b.patient, b.kind, b.truth)
        np.testing.assert_array_equal(a.hu, b.hu)
    assert len({study.patient for study in alone}) == 3


def test_eight_patients_have_every_location():
    kinds = cohort_kinds(8)
    assert kinds.count(PhantomKind.NORMAL) == 4
    assert {PhantomKind.DEEP, PhantomKind.LOBAR, PhantomKind.SUBTENTORIAL} <= set(kinds)
    assert set(cohort_kinds(40)) == set(PhantomKind)
    assert {kind.value for kind in cohort_kinds(20, ich_only=True)} == {"normal", *LOCATIONS}


def test_cohort_needs_a_patient():
    with pytest.raises(ValueError, match="at least 1"):
        make_cohort(0)
