"""What stands before moto: every signed call goes through faults, tokens and the ledger, in this order.

Invariant: a call's effect and its line in the ledger are one; nothing that happens to the answer afterwards (a cut
connection, a caller that went away) takes the line back.
"""

import contextlib
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.parsers import ResponseParserError, create_parser
from werkzeug.test import run_wsgi_app

from infra.awssim import errors, mutating
from infra.awssim.call import Call
from infra.awssim.digest import answered, asked
from infra.awssim.errors import Reply
from infra.awssim.faults import Doom, Faults, Kind
from infra.awssim.ledger import Entry, Ledger, Outcome
from infra.awssim.tokens import Tokens, parameters_digest, token_member
from infra.awssim.understand import Environ, read_body, understand

App = Callable[[Environ, Any], Iterable[bytes]]
UNREACHED = (Kind.REGION_GONE, Kind.HANG)


@dataclass
class Shim:
    """The application that answers in moto's place."""

    moto: App
    ledger: Ledger = field(default_factory=Ledger)
    faults: Faults = field(default_factory=Faults)
    tokens: Tokens = field(default_factory=Tokens)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        call = understand(environ, read_body(environ))
        if call is None:
            return self.moto(environ, start_response)
        self.ledger.count(call.service, call.region, call.operation, agent_of(environ))
        doom = self.faults.judge(call)
        if doom.latency:
            self.faults.wait(doom.latency)
        reply = self._settle(call, doom, environ)
        if reply is None:
            hang_up(environ)
            raise ConnectionAbortedError("closed without an answer, as a rule wants it")
        start_response(reply.line, list(reply.headers))
        return [] if call.method == "HEAD" else [reply.body]

    def _settle(self, call: Call, doom: Doom, environ: Environ) -> Reply | None:
        """Carry the call out, or not; the answer, None when there is to be none."""
        line = Line(call, doom, self.ledger)
        if doom.rule and doom.kind in UNREACHED:
            line.write(Outcome.UNREACHED, None)
            if doom.kind is Kind.HANG:
                self.faults.wait(doom.rule.seconds)
            return None
        faked = self._faked(call, doom)
        if faked is not None:
            line.write(Outcome.REFUSED, faked)
            return faked
        reply = self._carry_out(call, line, environ)
        return None if doom.kind is Kind.CUT else reply

    @staticmethod
    def _faked(call: Call, doom: Doom) -> Reply | None:
        if doom.rule is None:
            return None
        match doom.kind:
            case Kind.THROTTLE:
                return errors.throttled(call)
            case Kind.ERROR:
                return errors.broken(call, doom.rule.status, doom.rule.code)
            case Kind.CAPACITY:
                text = "We currently do not have sufficient capacity in the Availability Zone you requested."
                return errors.refusal(call, "InsufficientInstanceCapacity", text, 500)
        return None

    def _carry_out(self, call: Call, line: "Line", environ: Environ) -> Reply:
        if not line.token:
            return self._ask_moto(line, environ)
        with self.tokens.slot(call, line.token) as slot:
            reply = slot.answer(call, line.parameters)
            if reply is not None:
                line.write(Outcome.REPLAYED if reply.status < 400 else Outcome.REFUSED, reply)
                return reply
            reply = self._ask_moto(line, environ)
            slot.keep(line.parameters, reply)
            return reply

    def _ask_moto(self, line: "Line", environ: Environ) -> Reply:
        try:
            body, status, headers = run_wsgi_app(self.moto, environ, buffered=True)
            reply = Reply(int(status.split()[0]), tuple(headers), b"".join(body))
        except Exception as error:  # what moto did before it failed is unknown, and the line has to say so
            line.note = f"{type(error).__name__}: {error}"
            reply = errors.refusal(line.call, "InternalFailure", f"The simulator failed. {line.note}", 500)
        line.write(_outcome(reply), reply)
        return reply


def _outcome(reply: Reply) -> Outcome:
    if reply.status >= 500:
        return Outcome.BROKEN
    return Outcome.REFUSED if reply.status >= 400 else Outcome.TOOK_EFFECT


class Line:
    """The line of one call, as far as it is known; written once, and only for a call that would change something."""

    def __init__(self, call: Call, doom: Doom, ledger: Ledger) -> None:
        self.call = call
        self.note: str | None = None
        self._doom, self._ledger = doom, ledger
        member = token_member(call.service, call.model)
        self.parameters = parameters_digest(call, member)
        self.token: str | None = call.given.get(member) if member else None

    def write(self, outcome: Outcome, reply: Reply | None) -> None:
        """Append it to the ledger."""
        call = self.call
        if not mutating.changes(call.service, call.operation, call.method):
            return
        parsed = understand_reply(call, reply) if reply else {}
        identifiers = asked(call.given)
        effect = outcome in (Outcome.TOOK_EFFECT, Outcome.REPLAYED)
        self._ledger.append(
            Entry(
                number=0,
                time=datetime.now(UTC),
                account=call.account,
                region=call.region,
                service=call.service,
                operation=call.operation,
                token=self.token,
                parameters=self.parameters,
                identifiers=identifiers,
                resources=(answered(call.operation, parsed) or identifiers) if effect else (),
                status=reply.status if reply else 0,
                error=self.note or parsed.get("Error", {}).get("Code"),
                outcome=outcome,
                answered=reply is not None and self._doom.kind is not Kind.CUT,
                fault=self._doom.kind,
            )
        )


def agent_of(environ: Environ) -> str:
    """What a program adds to the SDK's user agent: the words that are no name with a version."""
    return " ".join(word for word in environ.get("HTTP_USER_AGENT", "").split() if not set("/#") & set(word))


def understand_reply(call: Call, reply: Reply) -> dict[str, Any]:
    """The answer as botocore reads it; empty when it can't."""
    if call.model is None or call.model.has_streaming_output:
        return {}
    whole = {"headers": dict(reply.headers), "status_code": reply.status, "body": reply.body}
    try:
        parsed: dict[str, Any] = create_parser(call.protocol).parse(whole, call.model.output_shape)
    except ResponseParserError:
        return {}
    parsed.pop("ResponseMetadata", None)
    return parsed


def hang_up(environ: Environ) -> None:
    """Close the connection under the request."""
    connection = environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
