"""The kind `aws.cloudformation`: a stack at each site, brought to what the application wants there.

What is to happen is asked for first (a change set), judged, and only then done. A stack is never deleted, and nothing
of it is replaced or removed unless the runbook says so.
"""

from .provider import StackProvider

PROVIDER = StackProvider
