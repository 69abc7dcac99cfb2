"""Files: a directory tree, kept in step with its copy at the other site by rsync."""

from .provider import FilesProvider

PROVIDER = FilesProvider
