"""The endpoints for people and for machines that sign."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response

from workers.door import Caller, Door
from workers.hooks.forms import (
    Acknowledgement,
    Applications,
    ApplicationView,
    Decision,
    Health,
    LossDecision,
    Proposal,
    Proposed,
    RunRow,
    Runs,
    Said,
    Start,
    Started,
    Steering,
    request_of,
)
from workers.hooks.problems import documented
from workers.hooks.proposals import Proposals
from workers.hooks.run_ids import RunIds
from workflows.model.base import NAME_PATTERN
from workflows.model.progress import ProgressView
from workflows.model.report import Report

SECURITY_SCHEMES: dict[str, Any] = {
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "`v1,` and the Base64 of HMAC-SHA256 over `id.timestamp.METHOD path?query\\nbody`; several, by "
        "the old and the new secret, are separated by spaces.",
    },
    "signature_id": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-id",
        "description": "8 to 128 letters, digits, dashes and underscores: the same for each try of one request.",
    },
    "signature_time": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-timestamp",
        "description": "Seconds since 1970, at the time of sending; 300 s of difference are allowed.",
    },
    "id_token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An OpenID Connect ID token.",
    },
    "pagerduty": {
        "type": "apiKey",
        "in": "header",
        "name": "x-pagerduty-signature",
        "description": "`v1=` and the hexadecimal HMAC-SHA256 of the body, as PagerDuty makes it.",
    },
    "alert_token": {"type": "http", "scheme": "bearer", "description": "A token that counts for alerts only."},
}
_EITHER: dict[str, Any] = {
    "security": [{"signature": [], "signature_id": [], "signature_time": []}, {"id_token": []}],
}
_READ = documented(400, 401, 403, 404, 405, 409, 413, 422, 429, 503)
_ACT = documented(400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 503)

router = APIRouter()
read = APIRouter(prefix="/v1", responses=_READ)
act = APIRouter(prefix="/v1", responses=_ACT)


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _door(request: Request) -> Door:
    door: Door = request.app.state.door
    return door


async def _proposals(request: Request) -> Proposals:
    proposals: Proposals = request.app.state.proposals
    return proposals


async def _ids(request: Request) -> RunIds:
    ids: RunIds = request.app.state.ids
    return ids


async def _key(
    request: Request,
    _: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Wanted of people: a random key for each new request, the same for each try of it. What is "
            "signed has its `webhook-id` instead, and this header is not looked at.",
            examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
        ),
    ] = None,
) -> str:
    key: str = request.state.key  # as the gate has verified it
    return key


async def _run(
    operation: Annotated[
        Literal["failover", "switchover", "failback", "reprotect", "drill"],
        Path(description="The first part of the run's id."),
    ],
    application: Annotated[str, Path(pattern=NAME_PATTERN, description="The second part.", examples=["shop"])],
    name: Annotated[
        str,
        Path(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$",
            description="The third part.",
            examples=["2026-11-22T14-05-33Z"],
        ),
    ],
) -> str:
    return f"{operation}/{application}/{name}"


CallerOf = Annotated[Caller, Depends(_caller)]
DoorOf = Annotated[Door, Depends(_door)]
IdsOf = Annotated[RunIds, Depends(_ids)]
ProposalsOf = Annotated[Proposals, Depends(_proposals)]
KeyOf = Annotated[str, Depends(_key)]
RunOf = Annotated[str, Depends(_run)]
ApplicationOf = Annotated[str, Path(pattern=NAME_PATTERN, description="The application's name.", examples=["shop"])]


@router.get("/healthz", summary="Does this server answer?", tags=["server"])
async def healthz() -> Health:
    """Nobody needs to be known for it, and it asks nobody else."""
    return Health(ok=True)


# --- Looking ---


@read.get("/applications", summary="Applications", tags=["looking"], openapi_extra=_EITHER)
async def applications(caller: CallerOf, door: DoorOf) -> Applications:
    """Those that had a run, and that the caller may look at."""
    return Applications(applications=[ApplicationView.of(state) for state in await door.states(caller)])


@read.get("/runs", summary="Runs", tags=["looking"], openapi_extra=_EITHER)
async def runs(
    caller: CallerOf,
    door: DoorOf,
    application: Annotated[str | None, Query(pattern=NAME_PATTERN, description="Of one application only.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Runs:
    """The newest first."""
    return Runs(runs=[RunRow(**row) for row in await door.runs(caller, application, limit)])


@read.get(
    "/runs/{operation}/{application}/{name}", summary="Progress of a run", tags=["looking"], openapi_extra=_EITHER
)
async def progress(caller: CallerOf, door: DoorOf, run: RunOf) -> ProgressView:
    """Its state and steps, and what it asks people. `gate.code` is what an approval wants."""
    return await door.progress(caller, run)


@read.get(
    "/runs/{operation}/{application}/{name}/report", summary="Report of a run", tags=["looking"], openapi_extra=_EITHER
)
async def report(caller: CallerOf, door: DoorOf, run: RunOf) -> Report:
    """As it stands; what is not measured is null."""
    return await door.report(caller, run)


# --- Asking ---


@act.post(
    "/applications/{application}/proposals",
    summary="Propose a failover",
    tags=["asking"],
    openapi_extra=_EITHER,
    status_code=202,
    responses={200: {"model": Proposed, "description": "A run of the application is there already."}},
)
async def propose(
    caller: CallerOf,
    proposals: ProposalsOf,
    key: KeyOf,
    application: ApplicationOf,
    body: Proposal,
    response: Response,
) -> Proposed:
    """Opens the gate of a failover: what can be undone is made ready, and people are asked. Nothing moves before they
    agree. While a run of the application is open nothing is started, and that run is answered."""
    made = await proposals.propose(caller, application, body.reason, key)
    if made.already_proposed:
        response.status_code = 200
    return made


@act.post(
    "/applications/{application}/runs", summary="Start a run", tags=["asking"], openapi_extra=_EITHER, status_code=202
)
async def start(
    caller: CallerOf,
    door: DoorOf,
    proposals: ProposalsOf,
    ids: IdsOf,
    key: KeyOf,
    application: ApplicationOf,
    body: Annotated[Start, Body()],
) -> Started:
    """The run's id is made of the key, so that the same key starts nothing twice, at whichever server."""
    if door.objection(caller, body.operation, application) is None:  # whoever may not is told so, and no more
        proposals.insist_on(application)
    run = ids.of(body.operation, application, caller, key)
    started = await door.start(caller, request_of(application, body), run)
    return Started(run=started, sentence="Started.")


# --- Answering ---

_RUN = "/runs/{operation}/{application}/{name}"


@act.post(f"{_RUN}/approve", summary="Agree", tags=["answering"], openapi_extra=_EITHER)
async def approve(caller: CallerOf, door: DoorOf, _: KeyOf, run: RunOf, body: Decision) -> Said:
    """The run goes on once as many as it wants have agreed."""
    return Said(run=run, sentence=await door.approve(caller, run, body.code, body.comment))


@act.post(f"{_RUN}/reject", summary="Say no", tags=["answering"], openapi_extra=_EITHER)
async def reject(caller: CallerOf, door: DoorOf, _: KeyOf, run: RunOf, body: Decision) -> Said:
    """What was begun is undone."""
    return Said(run=run, sentence=await door.reject(caller, run, body.code, body.comment))


@act.post(f"{_RUN}/accept-data-loss", summary="Accept a loss", tags=["answering"], openapi_extra=_EITHER)
async def accept_data_loss(caller: CallerOf, door: DoorOf, _: KeyOf, run: RunOf, body: LossDecision) -> Said:
    """A loss beyond the RPO, by its figure; wanted besides the approval."""
    return Said(run=run, sentence=await door.accept_data_loss(caller, run, body.code, body.loss, body.reason))


@act.post(f"{_RUN}/answers", summary="Steer", tags=["answering"], openapi_extra=_EITHER)
async def answer(caller: CallerOf, door: DoorOf, _: KeyOf, run: RunOf, body: Steering) -> Said:
    """Answer a parked step, or pause, resume or abort the run."""
    return Said(run=run, sentence=await door.answer(caller, run, body.action, body.step, body.reason))


@act.post(f"{_RUN}/acknowledge", summary="See to it", tags=["answering"], openapi_extra=_EITHER)
async def acknowledge(caller: CallerOf, door: DoorOf, _: KeyOf, run: RunOf, body: Acknowledgement) -> Said:
    """Nobody else is called for what waits now. It answers nothing."""
    return Said(run=run, sentence=await door.acknowledge(caller, run, body.note))


router.include_router(read)
router.include_router(act)
