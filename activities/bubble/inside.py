"""Runs checks where the clones are. As a program, inside a bubble: `python -m activities.bubble.inside`.

Standard input is one JSON object with `names` (what resolves there) and `checks`, or `public`. Standard output is one
JSON object a line: `{"progress": ...}`, `{"result": ...}`, and `{"error": [code, sentence, next step]}`.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import activities
from activities.checks import run_check, run_public_check
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import Bubble
from workflows.model.observed import CheckResult
from workflows.model.runbook import Check, PublicCheck

from .place import Place

_CHECK: TypeAdapter[Check] = TypeAdapter(Check)


async def checks_inside(
    place: Place, bubble: Bubble, checks: Sequence[Check], heartbeat: Callable[[str], None]
) -> list[CheckResult]:
    """The results, up to and with the first that did not pass."""
    return await _ask(place, {"names": bubble.names, "checks": [_plain(check) for check in checks]}, heartbeat)


async def public_inside(
    place: Place, bubble: Bubble, public: PublicCheck, heartbeat: Callable[[str], None]
) -> CheckResult:
    """The functional check through the public name, which means what the bubble says it means."""
    return (await _ask(place, {"names": bubble.names, "public": _plain(public)}, heartbeat))[0]


async def _ask(place: Place, order: dict[str, Any], heartbeat: Callable[[str], None]) -> list[CheckResult]:
    # Not the worker's environment: a check has no business with its secrets.
    env = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(Path(activities.__file__).parents[1])}
    argv = [*place.enter(), sys.executable, "-m", "activities.bubble.inside"]
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, cwd="/"
    )
    assert process.stdin is not None
    assert process.stdout is not None
    results: list[CheckResult] = []
    try:
        process.stdin.write(json.dumps(order).encode())
        process.stdin.close()
        async for line in process.stdout:
            said = json.loads(line)
            if "error" in said:
                code, sentence, next_step = said["error"]
                raise PermanentError(Code(code), sentence, next_step)
            if "result" in said:
                results.append(CheckResult.model_validate(said["result"]))
            heartbeat(said.get("progress", ""))
        status = await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if status != 0 or not results:
        raise TemporaryError(Code.CHECK_FAILED, "The checks inside the bubble gave no answer.", "Retry.")
    return results


def _plain(model: Any) -> Any:
    return model.model_dump(mode="json")


def _say(**words: Any) -> None:
    print(json.dumps(words), flush=True)


async def _main() -> None:
    order = json.load(sys.stdin)
    names: dict[str, str] = order["names"]

    def progress(words: str) -> None:
        _say(progress=words)

    try:
        if "public" in order:
            public = PublicCheck.model_validate(order["public"])
            _say(result=_plain(await run_public_check(public, progress, names)))
            return
        for plain in order["checks"]:
            check = _CHECK.validate_python(plain)
            result = await run_check(check, provider=None, site="", heartbeat=progress, names=names)
            _say(result=_plain(result))
            if not result.passed:
                return
    except PermanentError as error:
        _say(error=[error.code, error.sentence, error.next_step])


if __name__ == "__main__":
    asyncio.run(_main())
