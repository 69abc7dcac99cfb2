"""Search attributes: how the Web UI's list is filtered. All are set in a run's first task, since "start one like
this" in the UI copies the last values of the old run."""

from temporalio import workflow
from temporalio.common import SearchAttributeKey

from workflows.model.progress import ProgressView

APPLICATION = SearchAttributeKey.for_keyword("SeawallApplication")
STATE = SearchAttributeKey.for_keyword("SeawallState")
OPERATION = SearchAttributeKey.for_keyword("SeawallOperation")
EPOCH = SearchAttributeKey.for_int("SeawallEpoch")
SITE = SearchAttributeKey.for_keyword("SeawallSite")

ALL = (APPLICATION, STATE, OPERATION, EPOCH, SITE)


def show(view: ProgressView) -> None:
    """Set every attribute from the view."""
    workflow.upsert_search_attributes(
        [
            APPLICATION.value_set(view.application or "unknown"),
            STATE.value_set(view.state.value),
            OPERATION.value_set(view.operation.value),
            EPOCH.value_set(view.epoch) if view.epoch is not None else EPOCH.value_unset(),
            SITE.value_set(view.target) if view.target else SITE.value_unset(),
        ]
    )
