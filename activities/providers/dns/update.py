"""One atomic update: address and epoch change together, and only if both are what was read."""

from enum import Enum

import dns.asyncquery
import dns.exception
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.update

from activities.providers.base import secret
from workflows.model.failure import Code, PermanentError, TemporaryError

from .record import Standing, names
from .settings import DnsSettings


class Answer(Enum):
    """How an update ended. UNKNOWN: it may have landed."""

    DONE = "done"
    CHANGED = "changed"
    """The records are not what was read: nothing was written."""
    UNKNOWN = "unknown"


_CHANGED = (dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN)
_CONFIGURATION = (dns.rcode.REFUSED, dns.rcode.NOTAUTH, dns.rcode.NOTZONE, dns.rcode.FORMERR, dns.rcode.NOTIMP)


def message(
    settings: DnsSettings, stands: Standing, addresses: tuple[str, ...], ttl: int, txt: str
) -> dns.update.UpdateMessage:
    """The signed update with its prerequisites.

    Raises:
        PermanentError: CONFIGURATION for a bad key; INVALID_INPUT when it would leave the name without any address.
    """
    if not addresses:
        raise PermanentError(
            Code.INVALID_INPUT, f"This change would leave {settings.record} without an address.", "It was not sent."
        )
    try:
        keyring = dns.tsigkeyring.from_text({settings.tsig.name: secret(settings.tsig.secret)})
    except (ValueError, dns.exception.DNSException):
        raise PermanentError(
            Code.CONFIGURATION, "The TSIG secret is not valid base64.", "Mend the secret where it is kept."
        ) from None
    update = dns.update.UpdateMessage(settings.zone, keyring=keyring, keyalgorithm=settings.tsig.algorithm)
    owner, epoch_owner = names(settings)
    if stands.addresses:
        update.present(owner, "A", *stands.addresses)
    else:
        update.absent(owner, "A")
    if stands.txt is not None:
        update.present(epoch_owner, "TXT", _quoted(stands.txt))
    else:
        update.absent(epoch_owner, "TXT")
    update.replace(owner, ttl, "A", *addresses)
    update.replace(epoch_owner, ttl, "TXT", _quoted(txt))
    return update


async def send(settings: DnsSettings, update: dns.update.UpdateMessage) -> Answer:
    """Send it once, by TCP: a connection that is refused is known to have changed nothing.

    Raises:
        PermanentError: CONFIGURATION, when the server refuses the update or its signature.
        TemporaryError: UNREACHABLE, when nothing could be sent.
    """
    try:
        answer = await dns.asyncquery.tcp(
            update, settings.server, timeout=settings.timeout.total_seconds(), port=settings.port
        )
    except ConnectionRefusedError as error:
        raise TemporaryError(
            Code.UNREACHABLE, f"Nothing listens at the name server {settings.server}.", "Start it, then retry."
        ) from error
    except (dns.tsig.PeerError, dns.tsig.BadSignature, dns.tsig.BadKey, dns.tsig.BadTime) as error:
        raise _refused(settings, type(error).__name__) from error
    except (dns.exception.DNSException, OSError, EOFError):
        return Answer.UNKNOWN
    code = answer.rcode()
    if code == dns.rcode.NOERROR:
        # An unsigned yes could come from anybody: reading back decides.
        return Answer.DONE if answer.had_tsig else Answer.UNKNOWN
    if code in _CHANGED:
        return Answer.CHANGED
    if code in _CONFIGURATION:
        raise _refused(settings, dns.rcode.to_text(code))
    return Answer.UNKNOWN


def _refused(settings: DnsSettings, word: str) -> PermanentError:
    return PermanentError(
        Code.CONFIGURATION,
        f"The name server {settings.server} refused the update of {settings.record} ({word}).",
        "Check zone, TSIG key name, algorithm and secret, and both clocks.",
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
