"""The site of benchmarks.web without memory for its pages, so that each request makes its page.

`python -m benchmarks.cold_site`, with the settings of the site in the environment.
"""

import gc

import uvicorn
from fastapi import FastAPI

from digest import wiring
from digest.logs import set_up_logs
from digest.run.processes import LOOPBACK, raise_file_limit
from digest.settings import Settings
from digest.web.app import create_app
from digest.web.server import serving_options


def app() -> FastAPI:
    """The app of one process."""
    gc.set_threshold(20_000)  # as the command line does for `digest web`
    settings = Settings()
    set_up_logs()
    return create_app(wiring.impatient_engine(settings), settings, wiring.hint_sender(settings))


if __name__ == "__main__":
    settings = Settings()
    raise_file_limit()
    uvicorn.run(
        "benchmarks.cold_site:app",
        factory=True,
        host=LOOPBACK,
        port=settings.web_port,
        workers=settings.web_processes,
        **serving_options(),
    )
