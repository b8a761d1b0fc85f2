"""From algorithm bits to an L1 accept: masks, prescales, budgets, final OR."""
