"""The kind `aws.ssm`: documents of Systems Manager as hooks.

A Command document runs on instances (Run Command), an Automation document runs in AWS itself. Either of the two hooks
of a site may be left out. What a document puts out is never asked for: it may hold secrets.
"""

from .provider import SsmProvider

PROVIDER = SsmProvider
