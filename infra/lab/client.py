"""Talks to the chassis."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from .info import Grounds
from .postgres import LabError

SECONDS = 10.0


class NotRunning(LabError):
    """No chassis answers."""


def ask(info: Grounds, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One request.

    Raises:
        NotRunning: nobody answers.
        LabError: it was refused; the message says why.
    """
    token = info.secrets()["SEAWALL_LAB_POWER_TOKEN"]
    connection = http.client.HTTPConnection(urlsplit(info.power_url).netloc, timeout=SECONDS)
    try:
        headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotRunning(f"The lab in {info.folder} does not answer. Start it with: seawall lab up") from error
    finally:
        connection.close()
    if response.status >= 400:
        raise LabError(str(answer.get("sentence") or f"The lab refused: {answer.get('error')}."))
    return answer
