"""What people replay runs for: rates, and what changes them."""
