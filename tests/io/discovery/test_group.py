import math
from dataclasses import replace
from random import Random

import pytest

from ichmonai.io import Code, Finding, ImageHeader, ImageSource, Series, choose_series, group_series, grouping, scan
from ichmonai.io.discovery.choose import score
from ichmonai.io.header import Kind
from tests.io.dicom_factory import head_headers

CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


def shuffled(headers):
    return Random(0).sample(headers, len(headers))


def codes(series):
    return [finding.code for finding in series.findings]


def heights(series, headers):
    by_source = {header.source: header for header in headers}
    return [by_source[source].position[2] for source in series.images]


def test_slices_are_in_order_of_their_position():
    headers = head_headers()
    (series,) = group_series(shuffled(headers))
    assert series.images == tuple(one.source for one in headers)
    assert (series.study, series.series, series.findings) == ("1.2.3", headers[0].series, ())
    assert "20 x 512 x 512" in series.description


def test_a_prone_head_runs_to_superior_too():
    prone = head_headers(orientation=(-1.0, 0.0, 0.0, 0.0, -1.0, 0.0))
    flipped = head_headers(orientation=(1.0, 0.0, 0.0, 0.0, -1.0, 0.0))  # the normal points to inferior
    for headers in (prone, flipped):
        (series,) = group_series(shuffled(headers))
        assert heights(series, headers) == sorted(one.position[2] for one in headers)


def test_the_order_of_headers_does_not_matter():
    headers = [*head_headers(), *head_headers(20, acquisition=2), *head_headers(3, orientation=CORONAL)]
    headers = [replace(one, source=ImageSource(f"{i}.dcm"), sop_instance_uid=str(i)) for i, one in enumerate(headers)]
    assert group_series(headers) == group_series(shuffled(headers))


def test_a_localizer_shares_the_uid():
    axial = head_headers()
    scouts = [
        replace(one, source=ImageSource(f"scout{i}"), sop_instance_uid=f"9.{i}")
        for i, one in enumerate(head_headers(2, orientation=CORONAL, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")))
    ]
    head, scout = group_series([*scouts, *axial])
    assert (len(head.images), head.findings) == (20, ())
    assert scout.series == head.series + "#2"
    assert codes(scout)[0] is Code.LOCALIZER


@pytest.mark.parametrize("changes", [{"spacing": (0.9, 0.9)}, {"rows": 256, "columns": 256}, {"orientation": CORONAL}])
def test_another_geometry_is_another_series(changes):
    one, other = head_headers(), head_headers(12, **changes)
    other = [
        replace(x, source=ImageSource(f"b{i}"), sop_instance_uid=f"8.{i}", position=(0.0, 5.0 * i, 5.0 * i))
        for i, x in enumerate(other)
    ]
    assert [len(series.images) for series in group_series([*other, *one])] == [20, 12]


def test_incremental_scanners_number_every_slice():
    headers = [replace(one, acquisition=i) for i, one in enumerate(head_headers())]
    (series,) = group_series(headers)
    assert len(series.images) == 20


def test_a_helix_in_parts_is_one_series():
    headers = [replace(one, acquisition=1 + i // 8) for i, one in enumerate(head_headers(24))]
    (series,) = group_series(headers)
    assert (len(series.images), series.findings) == (24, ())


@pytest.mark.parametrize("offset", [0.0, 2.3])
def test_acquisitions_of_one_place_are_two_series(offset):
    first = head_headers(acquisition=1)
    second = [
        replace(one, source=ImageSource(f"b{i}"), sop_instance_uid=f"8.{i}")
        for i, one in enumerate(head_headers(lowest=offset, acquisition=2))
    ]
    one, other = group_series(shuffled([*first, *second]))
    assert {one.images, other.images} == {tuple(x.source for x in first), tuple(x.source for x in second)}
    assert one.findings == other.findings == ()


def test_two_kernels_under_one_uid():
    soft, bone = head_headers(kernel="H30s"), head_headers(kernel="H60s")
    bone = [replace(x, source=ImageSource(f"b{i}"), sop_instance_uid=f"8.{i}") for i, x in enumerate(bone)]
    assert sorted(len(series.images) for series in group_series([*soft, *bone])) == [20, 20]


def test_copies_are_left_out_and_told():
    headers = head_headers()
    copies = [replace(one, source=ImageSource(f"copy/{i}")) for i, one in enumerate(headers[:3])]
    repeated = replace(headers[5], source=ImageSource("again"), sop_instance_uid="7.7")
    (series,) = group_series([*headers, *copies, repeated])
    assert codes(series) == [Code.DUPLICATES]
    assert "4 in all" in series.findings[0].sentence
    assert len(series.images) == 20


def test_of_copies_the_whole_one_is_taken():
    headers = head_headers(size=1000)
    cut = [replace(one, source=ImageSource(f"a/{i}"), size=900) for i, one in enumerate(headers[:3])]
    (series,) = group_series([*cut, *headers])
    assert series.images == tuple(one.source for one in headers)


def test_stacks_that_nothing_tells_apart_are_refused():
    headers = head_headers()
    again = [replace(one, source=ImageSource(f"b{i}"), sop_instance_uid=f"8.{i}") for i, one in enumerate(headers)]
    (series,) = group_series([*headers, *again])
    assert codes(series) == [Code.BAD_GEOMETRY]
    assert "40 images at 20 places" in series.findings[0].sentence
    (series,) = group_series([replace(one, position=(0.0, 0.0, 0.0)) for one in headers])
    assert Code.BAD_GEOMETRY in codes(series)


def test_one_uid_for_all_slices_loses_none():
    (series,) = group_series(head_headers(sop_instance_uid="1.1"))
    assert len(series.images) == 20


def test_slices_without_geometry_stand_alone():
    series = group_series(head_headers(3, position=None))
    assert [len(one.images) for one in series] == [1, 1, 1]
    assert len({one.series for one in series}) == 3
    assert all(Code.BAD_GEOMETRY in codes(one) for one in series)


def test_gantry_tilt_shears_the_stack():
    angle = math.radians(20)
    headers = head_headers(orientation=(1.0, 0.0, 0.0, 0.0, math.cos(angle), -math.sin(angle)))
    (series,) = group_series(shuffled(headers))
    assert codes(series) == [Code.GANTRY_TILT]
    assert "20.0 degrees" in series.findings[0].sentence


@pytest.mark.data
def test_a_real_tilted_head(real_data):
    headers = list(scan([real_data / "dicom" / "ge_tilted_head"]))
    (series,) = group_series(shuffled(headers))
    sentences = {finding.code: finding.sentence for finding in series.findings}
    assert set(sentences) == {Code.VARYING_SPACING, Code.GANTRY_TILT}
    assert "1.14/4.22/7.38 mm" in sentences[Code.VARYING_SPACING]
    assert "18.5 degrees" in sentences[Code.GANTRY_TILT]
    assert [source.path[-6:-4] for source in series.images] == [f"{number:02d}" for number in range(1, 29)]


def study(**series):
    headers = [one for uid, changes in series.items() for one in head_headers(series=uid, **changes)]
    return group_series(
        [replace(one, position=(0.0, one.position[2], 0.0)) if one.orientation == CORONAL else one for one in headers]
    )


CHOICES = {
    "plain": {},
    "contrast": {"contrast_agent": "Iomeron"},
    "angiography": {"series_description": "CTA 0.75", "count": 200, "distance": 0.75, "thickness": 0.75},
    "bone": {"kernel": "H60s", "series_description": "HEAD BONE"},
    "thin": {"count": 150, "distance": 1, "thickness": 1.0},
    "spine": {"series_description": "C-SPINE", "count": 60, "distance": 3, "thickness": 3.0},
    "average": {"image_type": ("DERIVED", "SECONDARY", "AXIAL", "AVERAGE")},
    "half": {"count": 12},
    "coronal": {"orientation": CORONAL},
    "scout": {"count": 1, "image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER"), "orientation": CORONAL},
}


@pytest.mark.parametrize("other", [name for name in CHOICES if name != "plain"])
def test_the_plain_axial_head_series_is_taken(other):
    series = study(**{"1.9": CHOICES[other], "1.10": CHOICES["plain"]})
    chosen, rejected = choose_series(series)
    assert [one.series for one in chosen] == ["1.10"]
    assert [one.series for one in rejected] == ["1.9"]
    own = codes(next(one for one in series if one.series == "1.9"))
    assert rejected[0].finding.code is (own[0] if own else Code.NOT_SELECTED)


def test_every_series_on_demand():
    series = study(**{f"1.{i}": changes for i, changes in enumerate(CHOICES.values())})
    assert choose_series(series, every=True) == (series, [])
    chosen, rejected = choose_series(series)
    assert len(chosen) + len(rejected) == len(series)


def test_where_all_are_refused_the_best_is_told_of():
    (chosen,), (rejected,) = choose_series(study(**{"1.1": CHOICES["scout"], "1.2": CHOICES["contrast"]}))
    assert (chosen.series, codes(chosen)) == ("1.2", [Code.CONTRAST])
    assert rejected.finding.code is Code.LOCALIZER


def test_what_is_accepted_comes_before_what_is_refused():
    series = study(**{"1.1": {"image_type": ("DERIVED", "PRIMARY")}, "1.2": CHOICES["contrast"]})
    assert [one.series for one in choose_series(series, accept=[Code.CONTRAST])[0]] == ["1.2"]
    assert [one.series for one in choose_series(series, accept=[Code.DERIVED])[0]] == ["1.1"]


def test_equal_series_are_chosen_by_their_uid():
    series = [Series("s", uid, (ImageSource(uid),)) for uid in ("1.3", "1.2")]
    assert choose_series(series)[0] == choose_series(series[::-1])[0] == [series[1]]


def test_score_prefers_five_millimetres():
    def points(thickness):
        return score(head_headers(round(140 / thickness), distance=thickness, thickness=thickness))

    assert points(5.0) > points(2.5) > points(1.0)
    assert points(5.0) > points(10.0)


def test_a_header_survives_json():
    headers = head_headers(1, findings=(Finding(Code.BAD_GEOMETRY, "A sentence."),), thickness=None, acquisition=4)
    headers.append(
        ImageHeader(ImageSource("z.zip", "ä/\udce4.dcm", 3), "s", "s", Kind.VOLUME, slice_step=(0.0, 0.0, 5.0))
    )
    for header in headers:
        assert ImageHeader.from_json(header.to_json()) == header
        assert header.to_json().isascii()


def test_many_geometries_are_not_all_compared_with_one_another(monkeypatch):
    """Damaged headers can give every frame another one, each as near to all others as can be told at once."""
    compared = 0

    def fit(one, other, ours=grouping._fit):
        nonlocal compared
        compared += 1
        return ours(one, other)

    monkeypatch.setattr(grouping, "_fit", fit)
    headers = head_headers(600)
    headers = [replace(one, spacing=(0.2 + 0.002 * n, 2.5 - 0.002 * n)) for n, one in enumerate(headers)]
    assert len(grouping.by_geometry(headers)) == 600
    assert compared <= 600 * grouping.MOST_GEOMETRIES
