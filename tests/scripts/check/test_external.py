"""What the external check counts, on tables made here."""

import csv
from pathlib import Path

from scripts.check import external


def row(
    patient: str, number: int, ich: int, p_ich: float, brain: float, state: str = "classified"
) -> dict[str, object]:
    return {"patient": patient, "slice": number, "ich": ich, "p_ich": p_ich, "brain_content": brain, "state": state}


def values(table: list[dict[str, object]]) -> list[object]:
    return [one["value"] for one in table]


def test_slices_with_little_brain_are_counted_where_they_were_classified() -> None:
    rows = [
        row("a", 0, 0, 0.9, 0.01, "outside_brain"),
        row("a", 1, 0, 0.1, 0.055),
        row("a", 2, 0, 0.9, 0.06),
        row("a", 3, 0, 0.5, 0.119),
        row("a", 4, 0, 0.6, 0.12),
        row("a", 5, 1, 0.9, 0.5),
        row("b", 0, 0, 0.0, float("nan"), "refused"),
    ]
    table = external.at_the_ends("set", rows)
    assert [one["metric"] for one in table[:2]] == [
        "slices_with_0%_to_6%_brain",
        "slices_with_0%_to_6%_brain_called_bleeding",
    ]
    assert values(table) == [1, 0, 2, 1, 1, 1]


def test_study_without_its_bleeding_is_what_lies_more_than_a_slice_away() -> None:
    # Of "a" two neighbours beside the bleeding are left out, of "b" two others are called bleeding.
    alarm = {("a", 3), ("a", 5), ("b", 0), ("b", 1)}
    rows = [
        row(patient, number, int(number == 4), 0.9 if number == 4 or (patient, number) in alarm else 0.1, 0.5)
        for patient in "ab"
        for number in range(9)
    ]
    specificity, studies = external.without_bleeding("set", rows)
    assert (specificity["value"], studies["value"]) == (0.5, 2)


def test_studies_are_counted_by_what_they_are_called(tmp_path: Path) -> None:
    path = tmp_path / "studies.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["p_ich", "location"])
        table.writerows([[0.9, "deep"], [0.8, "deep"], [0.7, "lobar"], [0.4, "deep"], ["", ""]])
    assert values(external.of_studies("set", path)) == [3, 2, 1, 0]
