"""How the frames of a shot move to each other: pairs, planes and movers in them, and the camera that joins them up."""
