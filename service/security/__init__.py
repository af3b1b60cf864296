"""Who may call what, how much of it, and what they may reach."""
