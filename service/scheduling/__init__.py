"""Which job is worked on when, and what becomes of it."""
