"""`l1chain ctl budget`: the controllers of budgets of a running chain."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from stream.cli.ctl_options import AtOption, RunOption, change
from stream.cli.output import JsonOption, console

BudgetArgument = Annotated[str, typer.Argument(metavar="NAME", help="Budget of the run that has `control`.")]

budget_app = typer.Typer(no_args_is_help=True, help="Budgets that act: take their controllers out of action, or back.")


@budget_app.command()
def hold(name: BudgetArgument, at: AtOption = "next", run: RunOption = None, as_json: JsonOption = False) -> None:
    """Let a budget's controller do nothing; what it moved stays where it is."""
    text = f"the controller of {name} does nothing from lumi section {{lumi_section}}"
    change(run, "budget-hold", {"budget": name}, at, as_json, text)


@budget_app.command()
def release(name: BudgetArgument, at: AtOption = "next", run: RunOption = None, as_json: JsonOption = False) -> None:
    """Let a budget's controller act again, after `hold`, after `prescale`, or after it switched its group off."""
    text = f"the controller of {name} acts from lumi section {{lumi_section}}"
    change(run, "budget-release", {"budget": name}, at, as_json, text)


def show_budgets(budgets: list[dict[str, Any]]) -> None:
    """Print what the controllers of a run do, as `status` tells it."""
    for budget in budgets:
        rate = "not known yet" if budget["rate_hz"] is None else f"{budget['rate_hz']:,.0f} Hz"
        line = f"  budget {budget['budget']}: {budget['state']}, {budget['rate']} rate {rate}"
        line += f", target {budget['target_hz']:,.0f} Hz"
        if budget["setting"] is not None:
            line += f", {budget['by']} {budget['setting']}"
        console().print(line, highlight=False, markup=False)
        for action in budget["last_actions"]:
            console().print(f"    {action_text(action)}", highlight=False, markup=False)


def action_text(action: dict[str, Any]) -> str:
    """What a controller did and why, in words."""
    moved = "" if action["before"] == action["after"] else f" {action['before']} → {action['after']}"
    return (
        f"{action['action']}{moved} from lumi section {action['lumi_section']}: {action['rate_hz']:,.0f} Hz, "
        f"target {action['target_hz']:,.0f} Hz"
    )
