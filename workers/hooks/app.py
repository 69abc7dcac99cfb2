"""The server, put together. `python -m workers.hooks` writes its description to docs/reference."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from temporalio.client import RPCTimeoutOrCancelledError
from temporalio.service import RPCError

from workers import control
from workers.door import Door
from workers.hooks import alert_routes, routes
from workers.hooks.bucket import Buckets, Rate
from workers.hooks.callers import Callers
from workers.hooks.gate import Gate, Post
from workers.hooks.oidc import Oidc
from workers.hooks.problems import Problem, Refusal, misfit, refusal_of
from workers.hooks.proposals import Proposals
from workers.hooks.run_ids import RunIds
from workers.hooks.settings import HookSettings
from workers.hooks.store import Store
from workflows.model.failure import Code, PermanentError, SeawallError

VERSION = "1.0.0"
_ABOUT = """\
Propose, start, approve and watch recoveries.

* A **machine** signs each request with its secret: `webhook-id`, `webhook-timestamp` and `webhook-signature`, in the
  manner of Standard Webhooks. `webhook-id` is the idempotency key too.
* A **person** sends an ID token of the identity provider as a bearer, and an `Idempotency-Key` with each POST.
* The **policy** beside the runbooks says what each of them may.

A proposal opens the gate of a failover. It moves nothing: people do, by approving it.

Every refusal is a problem (RFC 9457) with a sentence and the next step."""


def make_app(
    door: Door,
    settings: HookSettings,
    runbooks: Path,
    ids: RunIds,
    rate: Rate | None = None,
    **gate: Any,
) -> FastAPI:
    """The server.

    Args:
        door: through which everything goes.
        settings: secrets, tokens and the rest.
        runbooks: where they lie.
        ids: of the runs.
        rate: how often one caller may ask.
        gate: a `clock` other than the machine's.
    """
    app = bare_app()
    app.state.door = door
    app.state.ids = ids
    app.state.proposals = Proposals(door, door.client, runbooks, ids)
    oidc = Oidc(*settings.oidc) if settings.oidc else None
    store = Store(settings.store)
    callers = Callers(settings.secrets, settings.tokens, oidc)
    app.add_middleware(Gate, post=Post(door, callers, store, Buckets(rate or Rate()), **gate))
    app.state.store = store
    app.router.on_shutdown.append(store.close)
    return app


def bare_app() -> FastAPI:
    """The endpoints, with nobody at the gate: enough for the description."""
    app = FastAPI(
        title="Seawall webhook API",
        version=VERSION,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(routes.router)
    app.include_router(alert_routes.router)
    app.add_exception_handler(SeawallError, _refused)
    app.add_exception_handler(Refusal, _told)
    app.add_exception_handler(RPCError, _unanswered)
    app.add_exception_handler(RPCTimeoutOrCancelledError, _unknown)
    app.add_exception_handler(RequestValidationError, _misfit)
    app.add_exception_handler(HTTPException, _other)
    app.add_exception_handler(Exception, _broken)
    app.openapi = lambda: description(app)  # type: ignore[method-assign]
    return app


def description(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = made["components"]["schemas"]
        schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        made["components"]["securitySchemes"] = routes.SECURITY_SCHEMES
        app.openapi_schema = made
    return app.openapi_schema


# Starlette types handlers by the base class of exceptions, hence the assertions.


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, SeawallError)
    return refusal_of(error).response()


async def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.response()


async def _unanswered(_: Request, error: Exception) -> Response:
    assert isinstance(error, RPCError)
    return refusal_of(control.unanswered(error, "Temporal")).response()


async def _unknown(_: Request, __: Exception) -> Response:
    sentence = "The run did not answer in time; what was asked for may have been done."
    return refusal_of(
        PermanentError(Code.OUTCOME_UNKNOWN, sentence, "Read its progress before you ask again.")
    ).response()


async def _misfit(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return misfit(error.errors()).response()


async def _other(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    told = {400: "The body cannot be read.", 404: "There is nothing at this address.", 405: "Not by this method."}
    code = {400: "MALFORMED", 404: Code.NOT_FOUND, 405: "WRONG_METHOD"}.get(error.status_code, Code.INTERNAL)
    headers = error.headers
    return Refusal(error.status_code, code, told.get(error.status_code, "Refused."), headers=headers).response()


async def _broken(_: Request, __: Exception) -> Response:
    return Refusal(500, Code.INTERNAL, "This server made an error; its log has more.").response()
