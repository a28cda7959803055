"""/healthz, /readyz, /metrics: what they are everywhere."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.http import access, bodies

router = APIRouter(tags=["operations"])


class Ready(BaseModel):
    """Whether the server does all of its work; `failed` names the parts that stopped, and why."""

    ready: bool
    failed: dict[str, str]


@router.get("/healthz", summary="Is the process alive")
async def healthz() -> dict[str, str]:
    """Always, while it answers."""
    return {"status": "ok"}


@router.get("/readyz", summary="Does everything work", responses={503: {"model": Ready}})
def readyz(request: Request, response: Response) -> Ready:
    """503 while the database is out of reach, a log refuses to sign, or a projection has stopped."""
    failed = access.service(request).failures()
    response.status_code = 503 if failed else 200
    return Ready(ready=not failed, failed=failed)


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
def metrics(request: Request) -> Response:
    """The text exposition format."""
    service = access.service(request)
    service.observe()
    service.metrics.waiting_bytes.set(bodies.budget(request).taken)
    return Response(service.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")
