"""What readers say of the answers."""

import json
import time
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator
from scipy.stats import binomtest

from ichmonai import __version__
from ichmonai.classes import KINDS
from ichmonai.serve.store import Store

_COLUMNS = (
    *("study", "author", "time", "agrees", "haemorrhage", "location", "kinds", "slices", "text"),
    *("outcome", "answered_location", "p_ich", "weights", "config", "version"),
)


class Reading(BaseModel):
    """What a reader sees in a study; slices are counted from 0, from below, and those not named show none."""

    author: str = Field(min_length=1, max_length=100)
    haemorrhage: bool
    location: Literal["", "deep", "lobar", "subtentorial"] = ""
    kinds: list[str] = Field(default=[], max_length=len(KINDS))
    slices: list[int] = Field(default=[], max_length=5000)
    text: str = Field(default="", max_length=4000)

    @model_validator(mode="after")
    def _fits(self) -> "Reading":
        self.author = self.author.strip()
        if not self.author:
            raise ValueError("A reading needs a name.")
        if unknown := set(self.kinds) - set(KINDS):
            raise ValueError(f"{min(unknown)} is no kind; choose from {', '.join(KINDS)}.")
        if not self.haemorrhage and (self.location or self.kinds or self.slices):
            raise ValueError("A study without haemorrhage has no location, kinds or slices of one.")
        self.kinds, self.slices = sorted(set(self.kinds)), sorted(set(self.slices))
        return self


class Readings:
    """The readings in a server's database.

    Args:
        store: of the server.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        with store.writing() as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS readings (id INTEGER PRIMARY KEY, "
                "study TEXT REFERENCES studies ON DELETE CASCADE, author TEXT, time REAL, agrees INTEGER, "
                "haemorrhage INTEGER, location TEXT, kinds TEXT, slices TEXT, text TEXT, outcome TEXT, "
                "answered_location TEXT, p_ich TEXT, weights TEXT, config TEXT, version TEXT)"
            )

    def add(self, study: dict[str, Any], reading: Reading) -> dict[str, Any]:
        """Keep a reading beside the earlier ones, with the answer and the weights that it is of.

        Args:
            study: as the store has it.
            reading: of it.

        Returns:
            It, as it is kept.
        """
        row, facts = study["row"], study["facts"]
        kept = {
            **reading.model_dump(),
            "study": study["id"],
            "time": time.time(),
            "agrees": agrees(row, reading),
            "outcome": row.get("outcome", "no_prediction"),
            "answered_location": row.get("location", ""),
            "p_ich": row.get("p_ich", ""),
            "weights": facts.get("weights_sha256", ""),
            "config": facts.get("config_sha256", ""),
            "version": __version__,
        }
        values = [json.dumps(kept[name]) if name in ("kinds", "slices") else kept[name] for name in _COLUMNS]
        names, places = ", ".join(_COLUMNS), ", ".join("?" * len(_COLUMNS))
        with self.store.writing() as db:
            db.execute(f"INSERT INTO readings ({names}) VALUES ({places})", values)  # noqa: S608  names of this module
        return kept

    def of(self, study: str) -> list[dict[str, Any]]:
        """The readings of a study, the newest first."""
        rows = self.store.db.execute("SELECT * FROM readings WHERE study = ? ORDER BY id DESC", (study,))
        return [_reading(row) for row in rows]

    def latest(self) -> list[dict[str, Any]]:
        """The last reading of each reader of each study, the oldest first."""
        rows = self.store.db.execute("SELECT *, MAX(id) FROM readings GROUP BY study, author ORDER BY id")
        return [_reading(row) for row in rows]

    def agreement(self) -> list[dict[str, Any]]:
        """How often readers agree, by weights: what was compared, of how many, how many, share and its 95% interval.

        Each reader's last reading of a study counts once. The interval is Wilson's, and takes readings for independent.
        """
        found = self.latest()
        rows = []
        for weights in dict.fromkeys(one["weights"] for one in found):
            own = [one for one in found if one["weights"] == weights and one["outcome"] != "no_prediction"]
            right = [one for one in own if (one["outcome"] == "positive") == one["haemorrhage"]]
            located = [one for one in right if one["location"] and one["answered_location"]]
            for what, among, agreed in (
                ("haemorrhage or none", own, right),
                ("answered positive", _of(own, "positive"), _of(right, "positive")),
                ("answered negative", _of(own, "negative"), _of(right, "negative")),
                ("location", located, [one for one in located if one["location"] == one["answered_location"]]),
            ):
                rows.append({"weights": weights, "what": what, **_share(len(agreed), len(among))})
        return rows


def agrees(row: dict[str, Any], reading: Reading) -> bool | None:
    """Whether a reading and an answer say the same of haemorrhage and, where both do, of its location."""
    if row.get("outcome") not in ("positive", "negative"):
        return None
    if (row["outcome"] == "positive") != reading.haemorrhage:
        return False
    return not reading.location or not row.get("location") or reading.location == row["location"]


def _of(readings: Sequence[dict[str, Any]], outcome: str) -> list[dict[str, Any]]:
    return [one for one in readings if one["outcome"] == outcome]


def _share(agreed: int, count: int) -> dict[str, Any]:
    if not count:
        return {"agreed": 0, "count": 0, "share": None, "low": None, "high": None}
    interval = binomtest(agreed, count).proportion_ci(method="wilson")
    return {"agreed": agreed, "count": count, "share": agreed / count, "low": interval.low, "high": interval.high}


def _reading(row: Any) -> dict[str, Any]:
    found = {name: row[name] for name in ("id", *_COLUMNS)}
    found |= {name: json.loads(found[name]) for name in ("kinds", "slices")}
    found["haemorrhage"] = bool(found["haemorrhage"])
    found["agrees"] = None if found["agrees"] is None else bool(found["agrees"])
    return found
