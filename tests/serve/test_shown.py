"""What the worklist shows of a study."""

from pathlib import Path
from typing import Any

import pytest

from ichmonai.serve.pages import Shown


class _Store:
    """Of uploads that left no files."""

    def place(self, upload: str) -> Path:
        return Path("absent") / upload


@pytest.mark.parametrize(("said", "shown"), [("subdural;epidural", ["subdural", "epidural"]), ("", [])])
def test_kinds_are_those_that_the_fitted_thresholds_say(said: str, shown: list[str]) -> None:
    probabilities = {"p_subdural": "0.31", "p_epidural": "0.22", "p_intraparenchymal": "0.61"}  # 0.5 would say the last
    row = {"study": "a", "series": "b", "path": "a", "location": "lobar", "p_ich": "0.9", "kinds": said} | probabilities
    study: dict[str, Any] = {"id": "1", "warnings": [], "created": 0.0, "name": "a", "upload": "u", "row": row}
    assert Shown(study, _Store()).kinds == shown  # type: ignore[arg-type]
