"""A menu's tables stage by stage, to measure what each stage of the kernel costs (`docs/menu-kernel.md`)."""

from __future__ import annotations

from collections.abc import Mapping

from triggers.menu.tables import Tables


def stages(tables: Tables) -> Mapping[str, Tables]:
    """Tables for the first stages of the kernel, each with one stage more; the last are all.

    Objects are looked up; then sums and signals; then correlations are tried; then outputs are set and written.
    """
    without_outputs = tables._replace(
        output_keys=tables.output_keys[:0],
        programs=tables.programs[:0],
        first_everywhere=0,
        copies=tables.copies[:0],
        n_common_copies=0,
    )
    without_correlations = without_outputs._replace(trial_keys=tables.trial_keys[:0])
    objects_only = without_correlations._replace(scalars=tables.scalars[:0], signals=tables.signals[:0])
    return {
        "objects": objects_only,
        "sums_and_signals": without_correlations,
        "correlations": without_outputs,
        "outputs": tables,
    }
