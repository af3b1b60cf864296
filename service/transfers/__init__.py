"""Frames that come and go over the wire, and where they lie meanwhile."""
