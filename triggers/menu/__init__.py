"""Trigger menus: model, syntaxes, integer limits, evaluation."""
