"""Services that moto has not: answered here, in the words and the protocol of botocore's service models."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moto.core.serialize import get_serializer_class

from infra.awssim import errors
from infra.awssim.call import Call
from infra.awssim.errors import Reply
from infra.awssim.understand import Environ, read_body, scope_of, understand

App = Callable[[Environ, Any], Iterable[bytes]]
Answers = Mapping[tuple[str, str], Callable[[Call], dict[str, Any]]]
"""By service and operation."""


class Refused(Exception):
    """The service says no, by a code of its model."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Own:
    """Answers what is ours, and passes the rest on to moto."""

    def __init__(self, moto: App, answers: Answers) -> None:
        self._moto = moto
        self._answers = answers
        self._services = {service for service, _ in answers}

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        scope = scope_of(environ)
        call = understand(environ, read_body(environ)) if scope and scope.service in self._services else None
        if call is None:
            return self._moto(environ, start_response)
        reply = self._reply(call)
        start_response(reply.line, list(reply.headers))
        return [reply.body]

    def _reply(self, call: Call) -> Reply:
        answer = self._answers.get((call.service, call.operation))
        if answer is None:
            return errors.refusal(call, "NotImplemented", f"The simulator has no {call.operation}.", 501)
        try:
            result = answer(call)
        except Refused as refused:
            return errors.refusal(call, refused.code, str(refused))
        sent = get_serializer_class(call.service, call.protocol)(operation_model=call.model).serialize(result)
        headers = tuple((name, str(value)) for name, value in sent["headers"].items())
        return Reply(int(sent["status_code"]), headers, str(sent["body"]).encode())
