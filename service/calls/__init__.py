"""What answers calls, and what every call has around it."""
