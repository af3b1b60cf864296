"""Light, exposure, seams, grain and motion blur of what is painted."""
