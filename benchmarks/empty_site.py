"""The reference of benchmarks.web: an empty FastAPI endpoint in a thread, behind the server settings of `digest web`.

`python -m benchmarks.empty_site --port P [--processes N]`
"""

import argparse

import uvicorn
from fastapi import FastAPI, Response

from digest.run.processes import LOOPBACK, raise_file_limit
from digest.web.server import serving_options

app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)


@app.get("/")
def empty() -> Response:
    """Nothing."""
    return Response()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    raise_file_limit()
    uvicorn.run(
        "benchmarks.empty_site:app",
        host=LOOPBACK,
        port=options.port,
        workers=options.processes,
        **serving_options(),
    )
