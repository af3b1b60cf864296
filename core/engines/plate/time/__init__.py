"""New frames: before, between and after those of the plate."""
