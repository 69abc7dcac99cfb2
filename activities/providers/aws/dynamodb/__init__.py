"""The kind `aws.dynamodb`: a global table, and what can be restored of its replica at a site."""

from .provider import DynamoProvider

PROVIDER = DynamoProvider
