"""What the trigger decides: L1 objects and their sources, menus, prescales, budgets, rates."""
