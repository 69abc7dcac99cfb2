"""The AWS command line in the place of a call: what a person types on the day when nothing else is there."""

from activities.providers.by_hand import Command, shell

from .settings import AwsSite

IDENTITY = "Sign in first as a role that may do this (`aws sts get-caller-identity` tells who you are)."


def cli(place: AwsSite, *words: str, why: str, shows: str = "", otherwise: str = "") -> Command:
    """One call of the AWS command line in the site's region."""
    line = shell(("aws", "--region", place.region, *words))
    return Command(line=line, why=why, shows=shows, otherwise=otherwise)
