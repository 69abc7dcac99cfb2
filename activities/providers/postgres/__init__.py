"""PostgreSQL: a primary and its streaming standbys."""

from .provider import PostgresProvider

PROVIDER = PostgresProvider
