"""The pages, written by the server."""

import asyncio
import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ichmonai import __version__
from ichmonai.classes import KINDS, LOCATIONS
from ichmonai.notice import NOTICE
from ichmonai.prediction import report
from ichmonai.prediction.report.curve import LEFT, RIGHT, WIDTH, curve
from ichmonai.prediction.report.drawing import COLOURS, SEEN, SMALL
from ichmonai.prediction.report.pages import Page
from ichmonai.prediction.report.words import draft, thresholds
from ichmonai.prediction.rows import mask_file, stem, volume_of
from ichmonai.serve.api import of_upload
from ichmonai.serve.parts import Shared, Study
from ichmonai.serve.security import COOKIE, same, session_of
from ichmonai.serve.store import DONE, Store

router = APIRouter(include_in_schema=False)

_SHOWN_REFUSALS = 5
_WRONG = 1.0
"""Seconds that a wrong token costs."""

_templates = Environment(
    loader=FileSystemLoader([Path(__file__).parent / "templates", *report.__path__]),  # the report's words are shared
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)


def page(template: str, **values: Any) -> HTMLResponse:
    """A page of a template and what it shows."""
    text = _templates.get_template(template).render(notice=NOTICE, version=__version__, **values)
    return HTMLResponse(text)


@router.get("/")
def worklist_page(parts: Shared) -> HTMLResponse:
    """The worklist, and where files are dropped."""
    limit = parts.options.upload_bytes // 2**20
    return page("worklist.html.j2", limit=limit, keep_days=parts.options.keep_days, **_worklist(parts.store))


@router.get("/worklist")
def worklist_rows(parts: Shared) -> HTMLResponse:
    """The part of the worklist that changes."""
    return page("rows.html.j2", **_worklist(parts.store))


@router.get("/studies/{study}")
def study_page(study: Study, parts: Shared) -> HTMLResponse:
    """The page of a study."""
    shown = Shown(study, parts.store)
    leading = int(study["row"]["leading_slice"]) if shown.page.answered else 0
    facts = study["facts"]
    return page(
        "study.html.j2",
        one=shown,
        leading=leading,
        curve=curve(study["slices"], leading) if study["slices"] else "",
        plot={"width": WIDTH, "left": LEFT, "right": RIGHT},
        siblings=len(parts.store.studies(study["upload"])) - 1,
        facts=facts,
        draft=draft(study["row"], *thresholds(facts), parts.options.templates) if "threshold" in facts else None,
        colours=COLOURS,
        readings=[_told(one) for one in parts.readings.of(study["id"])],
        kinds=KINDS,
        locations=LOCATIONS,
    )


@router.get("/readings")
def readings_page(parts: Shared) -> HTMLResponse:
    """How far readers agree."""
    return page("readings.html.j2", agreement=parts.readings.agreement())


@router.get("/api")
def api_page(request: Request) -> HTMLResponse:
    """What the API takes and gives."""
    described = request.app.openapi()
    routes = [
        {"method": method.upper(), "path": path, "says": one.get("description", ""), "tag": one["tags"][0]}
        for path, methods in described["paths"].items()
        for method, one in methods.items()
    ]
    return page("api.html.j2", routes=routes)


@router.get("/login")
def login_page() -> HTMLResponse:
    """Where a reader gives the token."""
    return page("login.html.j2", wrong=False)


@router.post("/login")
async def login(request: Request, parts: Shared) -> Response:
    """Give a cookie for the token."""
    body = (await request.body())[:4096].decode("utf-8", "replace")
    token = parse_qs(body).get("token", [""])[0].strip()
    if not parts.options.token or not same(token, parts.options.token):
        await asyncio.sleep(_WRONG)
        return page("login.html.j2", wrong=True)
    answer = RedirectResponse("/", 303)
    session = session_of(parts.options.token)
    answer.set_cookie(COOKIE, session, httponly=True, samesite="strict", secure=parts.options.tls)
    return answer


@router.get("/static/report.css")
def report_style() -> FileResponse:
    """The report's style, which the pages share."""
    return FileResponse(Path(report.__path__[0]) / "style.css", media_type="text/css")


def _told(reading: dict[str, Any]) -> dict[str, Any]:
    """A reading with its time and slices in words."""
    when = datetime.datetime.fromtimestamp(reading["time"]).astimezone()
    return {**reading, "when": f"{when:%Y-%m-%d %H:%M}", "slices": ranges(reading["slices"])}


def ranges(numbers: list[int]) -> str:
    """Slices as readers count them: from 1, neighbours as 12-15."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{low + 1}" if low == high else f"{low + 1}-{high + 1}" for low, high in runs)


class Shown:
    """A study as the pages show it.

    Args:
        study: as the store has it.
        store: of the server.
    """

    def __init__(self, study: dict[str, Any], store: Store) -> None:
        self.id, self.warnings, self.created = study["id"], study["warnings"], study["created"]
        self.upload_name = study["name"]
        row = study["row"]
        self.page = Page(0, stem(row), row, False)
        place = of_upload(study["upload"], str(row.get("path", ""))).removeprefix(study["name"]).strip("/")
        self.name = "/".join(map(_short, place.split("/")))
        folder = store.place(study["upload"]) / "results" / "report"
        self.small = bool(self.page.answered and self.page.picture(SMALL, folder))
        self.seen = bool(self.page.answered and self.page.picture(SEEN, folder))
        self.patient = {name: row[name] for name in ("patient_id", "accession_number", "study_date") if row.get(name)}
        self.volume = volume_of(row)
        self.mask = (store.place(study["upload"]) / "results" / mask_file(row)).is_file()
        self.kinds = self.page.likely_kinds


def _worklist(store: Store) -> dict[str, Any]:
    studies = [Shown(one, store) for one in store.studies()]
    refusals = store.refusals()
    uploads = [
        {
            **one,
            "refused": refusals.get(one["id"], [])[:_SHOWN_REFUSALS],
            "more": max(len(refusals.get(one["id"], [])) - _SHOWN_REFUSALS, 0),
        }
        for one in store.uploads()
    ]
    shown = [one for one in uploads if one["state"] != DONE or one["refused"]]
    outcomes = {
        name: sum(one.page.outcome == name for one in studies) for name in ("positive", "no prediction", "negative")
    }
    return {"studies": studies, "uploads": shown, "outcomes": outcomes, "kinds": any(one.kinds for one in studies)}


def _short(part: str) -> str:
    """A part of a path without the middle of it where it is as long as a UID."""
    return part if len(part) <= 32 else f"{part[:12]}…{part[-8:]}"
