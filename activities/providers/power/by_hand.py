"""A power controller's switch as a person uses it: curl, with the token by a pipe."""

import json
import shlex
from typing import Literal

from activities.providers.by_hand import ByHand, Command, secret_place, secret_value
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from .settings import HttpPowerSettings


def by_hand(settings: HttpPowerSettings, verb: Verb, request: StepRequest) -> ByHand:
    """Hold the host off, or switch it on with nothing of the application started."""
    epoch = request.ref.epoch
    state = _state(settings)
    stale = Command(
        line=state,
        why=f"What stands? An epoch above {epoch} means that a later run has taken over: STOP.",
        shows=f'"host":"{settings.host}"',
    )
    if verb is Verb.REOPEN_SITE:
        return ByHand(
            look=(stale,),
            act=(Command(line=_order(settings, request, "rescue"), why="Switch it on, with nothing started there."),),
            after=(Command(line=state, why="It is on.", shows='"power":"rescue"'),),
            undo=(
                Command(line=_order(settings, request, "off"), why="Hold it off again; only while it holds no copy."),
            ),
            secrets=_secrets(settings),
            notes=("Never switch it plainly on: an old primary that comes up by itself is a second writer.",),
        )
    return ByHand(
        look=(stale,),
        act=(Command(line=_order(settings, request, "off"), why=f"Switch {settings.host} off, and hold it off."),),
        after=(
            Command(line=state, why="It is off.", shows='"power":"off"'),
            Command(line=state, why="It is held off under this run's epoch.", shows=f'"epoch":{epoch}'),
        ),
        undo=(
            Command(line=_order(settings, request, "on"), why="Let it serve again; only while nothing was promoted."),
        ),
        secrets=_secrets(settings),
    )


def _secrets(settings: HttpPowerSettings) -> tuple[str, ...]:
    return (secret_place(settings.token, f"token of the power controller of {settings.host}"),)


def _curl(settings: HttpPowerSettings, *words: str) -> str:
    header = f'"{secret_value(settings.token)}"'
    return (
        f"printf 'header = \"Authorization: Bearer %s\"\\n' {header} | curl -sS --noproxy '*' -K - {shlex.join(words)}"
    )


def _state(settings: HttpPowerSettings) -> str:
    url = f"{settings.url.rstrip('/')}/hosts/{settings.host}"
    return f"{_curl(settings, url)} | tr -d ' '"


def _order(settings: HttpPowerSettings, request: StepRequest, power: Literal["on", "off", "rescue"]) -> str:
    body = json.dumps({"power": power, "epoch": request.ref.epoch, "key": request.ref.key})
    url = f"{settings.url.rstrip('/')}/hosts/{settings.host}/power"
    return _curl(settings, "-X", "PUT", "-H", "Content-Type: application/json", "-d", body, url)
