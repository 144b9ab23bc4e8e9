"""The web application."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response

from ichmonai import __version__
from ichmonai.errors import InputError
from ichmonai.notice import NOTICE
from ichmonai.serve import api, pages
from ichmonai.serve.metrics import metrics
from ichmonai.serve.options import ServeOptions
from ichmonai.serve.parts import Parts
from ichmonai.serve.readings import Readings
from ichmonai.serve.security import Gate
from ichmonai.serve.store import QUEUED, RUNNING, Store
from ichmonai.serve.uploads import Intake, TooLargeError, remove_old
from ichmonai.serve.volumes import Volumes

HOUSEKEEPING = 3600.0
"""Seconds between looks at what is too old."""

logger = logging.getLogger(__name__)


class Worker(Protocol):
    """The process that predicts."""

    @property
    def alive(self) -> bool:
        """Whether it is at work or waits for some."""


def create_app(options: ServeOptions, worker: Worker) -> FastAPI:
    """Make the application; another process predicts what it takes in, see `ichmonai.serve.worker`.

    Args:
        options: of the server.
        worker: that process.

    Returns:
        An ASGI application.
    """
    store = Store(options.data)
    parts = Parts(options, store, Intake(store, options), Volumes(store, options.timeout), Readings(store))

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        keeping = asyncio.create_task(_keep_house(parts))
        yield
        keeping.cancel()
        parts.volumes.close()

    app = FastAPI(
        title="ichmonai",
        version=__version__,
        summary=f"Haemorrhage on head CT. {NOTICE}",
        lifespan=lifespan,
        docs_url=None,  # their scripts would come from elsewhere
        redoc_url=None,
    )
    app.state.parts = parts
    app.add_middleware(Gate, options=options)
    app.add_exception_handler(InputError, _say)

    @app.get("/healthz", tags=["server"], responses={503: {}})
    def health() -> JSONResponse:
        """Whether the server answers and predicts."""
        waiting = sum(one["state"] in (QUEUED, RUNNING) for one in store.uploads())
        return JSONResponse({"alive": worker.alive, "waiting": waiting}, 200 if worker.alive else 503)

    @app.get("/metrics", tags=["server"], response_class=Response)
    def numbers() -> Response:
        """Counts for Prometheus."""
        return Response(metrics(parts, worker.alive), media_type=CONTENT_TYPE_LATEST)

    app.include_router(api.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    return app


async def _say(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 413 if isinstance(error, TooLargeError) else 400)


async def _keep_house(parts: Parts) -> None:
    while True:
        try:
            removed: Any = await asyncio.to_thread(remove_old, parts.store, parts.options.keep_days)
            await asyncio.to_thread(parts.volumes.remove_unused)
            if removed:
                logger.info("Removed %d uploads that were kept long enough.", removed)
        except Exception:
            logger.exception("Old uploads could not be removed.")
        await asyncio.sleep(HOUSEKEEPING)
