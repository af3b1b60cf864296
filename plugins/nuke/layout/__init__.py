"""What `overscan install nuke` lays down at the top of the folder: these files run when Nuke starts."""
