"""The shop: a small web application that keeps its orders in PostgreSQL.

    python -m infra.lab.shop_app        (configured by SHOP_* variables, see `Config`)

An order is acknowledged only when PostgreSQL has acknowledged it as durably as it is configured to.
"""

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
from psycopg import errors as db_errors

BODY_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Config:
    """Where the shop listens, which site it is, and how it finds its database."""

    host: str
    port: int
    site: str
    dsn: str

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "Config":
        """Read SHOP_HOST, SHOP_PORT, SHOP_SITE, SHOP_DSN and SHOP_DB_PASSWORD."""
        dsn = psycopg.conninfo.make_conninfo(env["SHOP_DSN"], password=env.get("SHOP_DB_PASSWORD", ""))
        return cls(env["SHOP_HOST"], int(env["SHOP_PORT"]), env["SHOP_SITE"], dsn)


class NotDurable(Exception):
    """The database took the row but could not promise to keep it."""


class Database:
    """One connection per thread, opened when first needed and again after every failure."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._local = threading.local()

    def run(self, statement: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """One statement in its own transaction.

        Raises:
            NotDurable: the commit came with a warning. A cancelled wait for the standby reports success and warns;
                the row would be lost with this site.
            psycopg.Error: the database refused or is gone.
        """
        connection = self._connection()
        warnings: list[str] = self._local.warnings
        warnings.clear()
        try:
            cursor = connection.execute(statement, values)
            rows = cursor.fetchall() if cursor.description else [(cursor.rowcount,)]
        except psycopg.Error:
            self.close()
            raise
        if warnings:
            raise NotDurable(warnings[0])
        return rows

    def close(self) -> None:
        """Drop this thread's connection."""
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()

    def _connection(self) -> "psycopg.Connection[tuple[Any, ...]]":
        existing: psycopg.Connection[tuple[Any, ...]] | None = getattr(self._local, "connection", None)
        if existing is not None and not existing.closed:
            return existing
        connection = psycopg.connect(self._dsn, autocommit=True, connect_timeout=1)
        warnings: list[str] = []

        def note(diagnostic: psycopg.errors.Diagnostic) -> None:
            if diagnostic.severity_nonlocalized == "WARNING":
                warnings.append(diagnostic.sqlstate or "")

        connection.add_notice_handler(note)
        self._local.connection, self._local.warnings = connection, warnings
        return connection


class Shop:
    """What the shop does, without HTTP."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.database = Database(config.dsn)

    def ready(self) -> bool:
        """Whether orders can be taken here now."""
        query = "select pg_is_in_recovery() or current_setting('transaction_read_only')::bool"
        return not self.database.run(query)[0][0]

    def check(self, nonce: str) -> dict[str, object]:
        """Write the nonce, read it back."""
        self.database.run(
            "insert into checks (nonce, site) values (%(nonce)s, %(site)s)", {"nonce": nonce, "site": self.config.site}
        )
        rows = self.database.run(
            "select nonce, (select max(epoch) from seawall.epoch) from checks where nonce = %(nonce)s", {"nonce": nonce}
        )
        return {"nonce": rows[0][0], "site": self.config.site, "epoch": rows[0][1]}

    def order(self, client: str, seq: int, amount: int) -> bool:
        """Take an order; False when it was there already. Returns only when it is durable."""
        values = {"client": client, "seq": seq, "amount": amount, "site": self.config.site}
        taken = self.database.run(
            "insert into orders (client, seq, amount, site) values (%(client)s, %(seq)s, %(amount)s, %(site)s)"
            " on conflict do nothing",
            values,
        )
        if taken[0][0]:
            return True
        # The row of an earlier try may not have reached the standby. A transaction that writes nothing waits for
        # nobody, so write a little: its commit cannot be acknowledged before what came earlier.
        self.database.run("select pg_logical_emit_message(true, 'shop', 'again')")
        return False

    def count(self) -> int:
        """How many orders there are."""
        return int(self.database.run("select count(*) from orders")[0][0])


class Handler(BaseHTTPRequestHandler):
    """HTTP over the shop; every error closes the connection, so that a client looks the name up again."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    shop: Shop

    def do_GET(self) -> None:
        """`/healthz`, `/readyz`, `/orders/count`."""
        if self.path == "/healthz":
            self._send(200, {"site": self.shop.config.site, "alive": True})
        elif self.path == "/readyz":
            self._guarded(lambda: {"ready": self.shop.ready()}, lambda found: bool(found["ready"]))
        elif self.path == "/orders/count":
            self._guarded(lambda: {"orders": self.shop.count()})
        else:
            self._send(404, {"error": "NOT_FOUND"})

    def do_POST(self) -> None:
        """`/check` and `/orders`."""
        try:
            size = int(self.headers.get("Content-Length", 0))
            if not 0 < size <= BODY_LIMIT:
                raise ValueError
            body = json.loads(self.rfile.read(size))
            if self.path == "/check":
                nonce = str(body["nonce"])[:200]
                self._guarded(lambda: self.shop.check(nonce))
            elif self.path == "/orders":
                client, seq, amount = str(body["client"])[:200], int(body["seq"]), int(body["amount"])
                self._guarded(lambda: {"new": self.shop.order(client, seq, amount), "seq": seq})
            else:
                self._send(404, {"error": "NOT_FOUND"})
        except (ValueError, KeyError, TypeError):
            self._send(400, {"error": "BAD_REQUEST"})

    def _guarded(self, act: Any, good: Any = lambda _found: True) -> None:
        try:
            found = act()
        except NotDurable:
            self._send(503, {"error": "NOT_DURABLE"})
        except db_errors.ReadOnlySqlTransaction:
            self._send(503, {"error": "READ_ONLY"})
        except psycopg.Error as error:
            self._send(503, {"error": "DATABASE", "sqlstate": error.sqlstate})
        else:
            self._send(200 if good(found) else 503, found)

    def _send(self, status: int, body: Mapping[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status >= 400:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: the load would fill the disk."""

    def finish(self) -> None:
        """Also give this thread's database connection back."""
        try:
            super().finish()
        except ConnectionError:
            pass
        finally:
            self.shop.database.close()


class Server(ThreadingHTTPServer):
    """One thread per connection; a queue long enough for a herd that comes back after an outage."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""


def main() -> None:
    """Serve until killed."""
    config = Config.from_environment(os.environ)
    Handler.shop = Shop(config)
    Server((config.host, config.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
