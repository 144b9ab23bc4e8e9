"""The report in words: every sentence follows from the row, and says from what."""

import re

import pytest

from ichmonai.classes import KINDS, LOCATIONS
from ichmonai.errors import InputError
from ichmonai.io.findings import Code
from ichmonai.notice import NOTICE
from ichmonai.prediction.report.templates import FINDINGS, IMPRESSION, LANGUAGES, read_templates
from ichmonai.prediction.report.words import draft, thresholds
from ichmonai.prediction.rows import STUDY_COLUMNS, WORD_COLUMNS

ANSWERED = {"slices": 30, "brain_slices": 25, "leading_slice": 12, "flags": "", "sha256": "ab"}
NEGATIVE = ANSWERED | {"outcome": "negative", "p_ich": "0.021000", "kinds": "", "location": ""}
PLACES = {"p_deep": "0.150000", "p_lobar": "0.800000", "p_subtentorial": "0.050000"}
POSITIVE = ANSWERED | PLACES | {"outcome": "positive", "p_ich": "0.934000", "location": "lobar", "kinds": ""}
OF_KINDS = dict(zip((f"p_{one}" for one in KINDS), ("0.1", "0.9", "0.6", "0.03", "0.02"), strict=True))
VOLUMES = {"volume_ml": "12.5", "volume_low_ml": "9.0", "volume_high_ml": "20.25", "volume_subdural_ml": "0.04"}


def names(sentences):
    return [one.name for one in sentences]


def test_a_negative_study():
    said = draft(NEGATIVE | PLACES | OF_KINDS | VOLUMES, 0.5)
    assert names(said.findings) == ["examined", "probability", "leading"]
    assert names(said.impression) == ["negative", "draft"]
    assert said.findings[2].text == "The slice with the highest probability is number 13 of 30, counted from below."
    assert said.impression[0].sources == {"p_ich": "0.021000", "outcome": "negative"}
    assert "does not exclude" in said.columns["impression"]


def test_no_probability_is_said_to_be_certain():
    sure = POSITIVE | {"p_ich": "0.999995", "p_lobar": "0.9951"}
    said = draft(sure, 0.5)
    assert "haemorrhage: > 0.99 (positive above 0.50)" in said.columns["findings"]
    assert "lobar (> 0.99)" in said.columns["findings"]
    assert "(probability > 0.99)" in said.columns["impression"]
    assert "> 0,99" in draft(sure, 0.5, templates=read_templates("de")).columns["findings"]
    assert "(probability < 0.01)" in draft(NEGATIVE | {"p_ich": "0.0004"}, 0.5).columns["impression"]


def test_a_positive_study_with_and_without_a_location():
    said = draft(POSITIVE, 0.5)
    assert names(said.findings) == ["examined", "probability", "leading", "location"]
    assert said.findings[3].text == "Its most probable location is lobar (0.80)."
    assert said.findings[3].sources == {"location": "lobar", "p_lobar": "0.800000"}
    assert "(probability 0.93), most probably lobar." in said.columns["impression"]
    without = draft(POSITIVE | {"location": ""}, 0.5)
    assert names(without.findings) == ["examined", "probability", "leading"]
    assert names(without.impression) == ["positive", "draft"]
    assert "lobar" not in str(without.columns)


def test_kinds_above_their_thresholds_or_the_likeliest():
    shown = draft(POSITIVE | OF_KINDS | {"kinds": "intraparenchymal;intraventricular"}, 0.5).findings[-1]
    assert shown.text == "Kinds above their thresholds: intraparenchymal (0.90), intraventricular (0.60)."
    assert shown.sources == {
        "kinds": "intraparenchymal;intraventricular",
        "p_intraparenchymal": "0.9",
        "p_intraventricular": "0.6",
    }
    none = draft(POSITIVE | OF_KINDS, 0.5).findings[-1]
    assert (none.name, none.sources) == ("no_kind", {"p_intraparenchymal": "0.9"})


def test_the_volume_with_its_range_and_of_each_kind_that_is_marked():
    said = draft(POSITIVE | VOLUMES | {"volume_intraparenchymal_ml": "12.46"}, 0.5).findings
    assert names(said)[-2:] == ["volume", "kind_volumes"]
    assert said[-2].text == "Marked as blood: 12.5 mL (9.0 to 20.2 mL, by where its border is drawn)."
    assert said[-1].text == "By kind, in mL: intraparenchymal 12.5."
    assert said[-1].sources == {"volume_intraparenchymal_ml": "12.46"}
    assert names(draft(POSITIVE | VOLUMES | {"volume_high_ml": ""}, 0.5).findings)[-1] == "location"


def test_between_two_thresholds_nothing_is_said_but_that():
    row = NEGATIVE | {"outcome": "no_prediction", "p_ich": "0.42", "flags": "uncertain"}
    said = draft(row, *thresholds({"threshold": 0.6, "negative_up_to": 0.3}))
    assert names(said.findings) == ["examined", "probability_zone", "leading"]
    assert names(said.impression) == ["uncertain", "draft"]  # that it is uncertain is no warning about the images
    assert said.impression[0].sources == {
        "p_ich": "0.42",
        "negative_up_to": "0.3",
        "threshold": "0.6",
        "outcome": "no_prediction",
    }
    assert names(draft(row | {"p_ich": "nan"}, 0.5).impression) == ["no_number", "draft"]


def test_warnings_about_the_images_limit_what_is_said():
    said = draft(NEGATIVE | {"flags": "thin_slices;too_few_slices"}, 0.5)
    assert said.findings[-1].text == "About the images: thin slices, averaged; few slices."
    assert names(said.impression) == ["negative", "limits", "draft"]
    assert said.impression[1].sources == {"flags": "thin_slices;too_few_slices"}


def test_the_thickness_of_the_slices_where_headers_say_it():
    said = draft(NEGATIVE | {"thickness_mm": "10.00"}, 0.5).findings[1]
    assert (said.text, said.sources) == ("Slice thickness: 10.0 mm.", {"thickness_mm": "10.00"})
    assert "thickness" not in names(draft(NEGATIVE | {"thickness_mm": ""}, 0.5).findings)


def test_a_refused_study_has_a_reason_and_no_finding():
    said = draft({"outcome": "no_prediction", "flags": "not_axial;contrast"}, 0.5)
    assert said.findings == ()
    assert said.impression[0].text == "No statement, since the images were not looked at: not axial; contrast agent."
    assert said.impression[0].sources == {"flags": "not_axial;contrast", "outcome": "no_prediction"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("row", [NEGATIVE, POSITIVE, POSITIVE | OF_KINDS | VOLUMES | {"flags": "gantry_tilt"}])
def test_every_number_of_every_sentence_is_one_of_its_sources(row, language):
    templates = read_templates(language)
    said = draft(row, 0.5, templates=templates)
    for one in (*said.findings, *said.impression):
        known = {float(value) for value in one.sources.values() if re.fullmatch(r"[\d.]+", value)}
        known |= {value + 1 for value in known if "leading_slice" in one.sources}
        for number in re.findall(r"\d+(?:[.,]\d+)?", one.text):
            digits = len(number.replace(",", ".").partition(".")[2])
            assert float(number.replace(",", ".")) in {float(f"{value:.{digits}f}") for value in known}, one
    assert all(one.sources for one in (*said.findings, *said.impression) if one.name != "draft")
    assert set(WORD_COLUMNS) == set(said.columns) < set(STUDY_COLUMNS)


def test_german_says_the_same_in_its_own_words_and_numbers():
    row = POSITIVE | OF_KINDS | VOLUMES | {"kinds": "intraparenchymal", "flags": "gantry_tilt"}
    english, german = (draft(row, 0.5, templates=read_templates(one)) for one in ("en", "de"))
    for part in ("findings", "impression"):
        pairs = zip(getattr(english, part), getattr(german, part), strict=True)
        assert all((one.name, one.sources) == (other.name, other.sources) for one, other in pairs)
        assert all(one.text != other.text for one, other in zip(english.findings, german.findings, strict=True))
    assert "0,93" in german.columns["findings"]
    assert "intraparenchymatös (0,90)" in german.columns["findings"]
    assert "lobär" in german.columns["impression"]
    assert german.language == "de"


def test_languages_of_the_package_translate_every_word_and_english_says_the_notice():
    german = read_templates("de")
    assert set(german.codes) == {code.value for code in Code}
    same = {"lobar", "epidural", "subdural"}
    for words, known in (
        (german.codes, read_templates("en").codes),
        (german.locations, {one: one for one in LOCATIONS}),
    ):
        assert not [name for name, text in known.items() if words[name] == text and name not in same]
    assert read_templates("en").impression["draft"].endswith(NOTICE)


def edited(tmp_path, *pairs):
    from ichmonai.prediction.report import templates

    text = next(path for path in map(templates.Path, templates.__path__)).joinpath("en.toml").read_text()
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after)
    path = tmp_path / "own.toml"
    path.write_text(text)
    return str(path)


def test_a_site_edits_and_leaves_out(tmp_path):
    path = edited(
        tmp_path,
        ("Suspected intracranial haemorrhage (probability $probability), most", "ICH ($$ ${probability}), most"),
        (
            'examined = "Slices read: $slices; of these, slices that show brain and were looked at: $brain_slices."',
            'examined = ""',
        ),
    )
    said = draft(POSITIVE, 0.5, templates=read_templates(path))
    assert said.impression[0].text == "ICH ($ 0.93), most probably lobar."
    assert names(said.findings)[0] == "probability"
    assert read_templates(path).sha256 != read_templates("en").sha256


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("$leading_slice", "$patient_id", r"findings.leading of .*own.toml has \$patient_id, which has no value there"),
        ("(positive above $threshold)", "($volume)", r"findings.probability .* has \$volume, .* may have \$slices,"),
        ("$volume mL", "5 $ mL", r"findings.volume .* dollar sign with no name"),
        ("$volume mL", "${volume.__class__} mL", r"findings.volume .* dollar sign with no name"),
        ("[headings]", "[heading]", r"own.toml has heading, which is not known; the nearest is headings"),
        ("leading = ", "leding = ", r"\[findings\] of .* has leding, .* the nearest is leading"),
        ('no_number = "No statement: the network gave no probability."', "", "lacks the sentence no_number"),
        ('decimal = "."', "decimal = 1", "decimal of .* is no line of text"),
        ("Its most", r"Its\u0000most", "findings.location of .* is no line of text"),
        ('draft = "D', 'draft = "" # "D', "leaves out impression.draft"),
        ('language = "en"', "language = ", "cannot be read as templates"),
    ],
)
def test_what_has_no_value_is_refused_before_any_work(tmp_path, before, after, sentence):
    with pytest.raises(InputError, match=sentence):
        read_templates(edited(tmp_path, (before, after)))


def test_a_language_that_is_not_there_is_said_to_be_none(tmp_path):
    with pytest.raises(InputError, match=r"give one of de, en, or a toml file"):
        read_templates("fr")


def test_values_are_filled_in_once_and_are_no_templates():
    row = POSITIVE | {"location": "$p_ich{0}%s", "p_$p_ich{0}%s": "0.5", "flags": "${slices}\n"}
    said = draft(row, 0.5)
    assert "$p_ich{0}%s (0.50)" in said.findings[3].text
    assert said.findings[-1].text == r"About the images: ${slices}\n."


def test_every_template_may_use_every_name_that_it_is_allowed(tmp_path):
    """Whatever a site writes within the rules, no row leaves a name without its value."""
    lines = ['language = "x"', 'decimal = "."', "[headings]", 'findings = "F"', 'impression = "I"']
    for part, sentences in (("findings", FINDINGS), ("impression", IMPRESSION)):
        lines += [
            f"[{part}]",
            *(f'{name} = "{name} {" ".join(f"${one}" for one in may)}"' for name, may in sentences.items()),
        ]
    path = tmp_path / "all.toml"
    path.write_text("\n".join(lines))
    templates, seen = read_templates(str(path)), set()
    warned = {"flags": "thin_slices", "thickness_mm": "5"}
    whole = POSITIVE | OF_KINDS | VOLUMES | {"kinds": "subdural", "volume_subdural_ml": "3"} | warned
    zone = NEGATIVE | {"outcome": "no_prediction"}
    rows = [
        NEGATIVE,
        POSITIVE,
        POSITIVE | {"location": ""},
        whole,
        whole | {"kinds": ""},
        zone | {"p_ich": ""},
        zone,
        {},
    ]
    for row in rows:
        for limits in ((0.5,), (0.5, 0.2)):
            said = draft(row, *limits, templates=templates)
            seen |= set(names(said.findings + said.impression))
            assert "$" not in str(said.columns)
    assert seen == {*FINDINGS, *IMPRESSION}
