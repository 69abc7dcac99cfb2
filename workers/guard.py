"""The three package names are generic, so make sure that they are ours before anything runs on them."""

from importlib.metadata import packages_distributions

from workflows.model.failure import Code, PermanentError

OURS = ("workflows", "activities", "workers")


def check_package_names() -> None:
    """Insist that no other installed distribution owns one of our top-level packages.

    Raises:
        PermanentError: CONFIGURATION, naming the other distribution and how to remove it.
    """
    owners = packages_distributions()
    for name in OURS:
        others = sorted({owner for owner in owners.get(name, ()) if owner != "seawall"})
        if others:
            raise PermanentError(
                Code.CONFIGURATION,
                f"The package {name} is also owned by {', '.join(others)}, so it is not sure whose code would run.",
                f"Give Seawall an environment of its own, or: pip uninstall {' '.join(others)}",
            )
