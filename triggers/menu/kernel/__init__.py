"""The compiled evaluator: one function for all menus, driven by tables (`docs/menu-kernel.md`)."""

from triggers.menu.kernel.evaluate import evaluate_compiled, evaluate_tables

__all__ = ["evaluate_compiled", "evaluate_tables"]
