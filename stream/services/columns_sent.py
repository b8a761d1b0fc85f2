"""Which columns a score stage is sent in each lumi section: those it asked for, and what later versions read."""

from __future__ import annotations

from collections.abc import Set

from stream.services.changes import Change
from stream.services.model_changes import ModelChange, RunVersion, score_stage
from triggers.errors import BadValue


class ColumnsSent:
    """What changes of models add to the columns of score stages, from lumi sections on; nothing is taken away again.

    Producer and replicas follow the same changes before such a lumi section begins, and look up by the batch's
    lumi section, so they agree on every batch, also on one that is sent a second time.
    """

    def __init__(self) -> None:
        self._since: dict[str, dict[str, int]] = {}

    def follow(self, change: Change) -> None:
        """Follow an agreed change; others than those of models, and a second time, have no effect."""
        version = _version_of(change)
        if version is None:
            return
        since = self._since.setdefault(score_stage(version.model), {})
        for column in version.columns:
            since[column] = min(change.lumi_section, since.get(column, change.lumi_section))

    def columns(self, stage: str, stated: tuple[str, ...], lumi_section: int) -> tuple[str, ...]:
        """The columns of a batch in their order.

        Args:
            stage: that it is sent to.
            stated: by its replica in READY.
            lumi_section: of the batch.
        """
        since = self._since.get(stage, {})
        more = (name for name, begin in since.items() if begin <= lumi_section and name not in stated)
        return (*stated, *sorted(more))


def check_columns(change: Change, known: Set[str], source: str) -> None:
    """Check that a source has what a change makes a stage read.

    Args:
        change: of any kind.
        known: columns of the source.
        source: its name.

    Raises:
        BadValue: it has not.
    """
    version = _version_of(change)
    lacking = [] if version is None else [column for column in version.columns if column not in known]
    if version is not None and lacking:
        what = f"reads {', '.join(lacking)}, which {source} does not have"
        raise BadValue(version.label, what, "swap it in where the source has that")


def _version_of(change: Change) -> RunVersion | None:
    """The version that a change brings, if it is one of a model and brings one."""
    if change.kind not in set(ModelChange) or change.arguments.get("version") is None:
        return None
    return RunVersion.from_json(change.arguments["version"])
