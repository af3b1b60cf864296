"""The job store: tables, migrations, and all that is read from and written to it."""
