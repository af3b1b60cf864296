"""Worker processes: the service's end of them, and their own."""
