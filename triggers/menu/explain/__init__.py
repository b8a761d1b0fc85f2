"""Why a seed fired in a crossing or did not, by the oracle's own functions (`docs/menu-commands.md`, "explain")."""

from triggers.menu.explain.tree import Node, explain, tree_lines

__all__ = ["Node", "explain", "tree_lines"]
