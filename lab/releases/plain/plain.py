"""An app as FastAPI's tutorial has it: served by uvicorn alone, and with no word about proxies."""

import os
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response

app = FastAPI()


@app.middleware("http")
async def name_the_release(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await answer(request)
    response.headers["X-Release"] = os.environ["RELEASE"]
    return response


@app.get("/health")
@app.get("/ready")
def well() -> dict[str, str]:
    return {"status": "ok"}


# Asked for without the slash at its end, it is answered with a redirect to the whole address.
@app.get("/who/")
def who(request: Request) -> dict[str, object]:
    """What the app believes about the request."""
    return {"scheme": request.url.scheme, "client": request.client and request.client.host, "headers": dict(request.headers)}
