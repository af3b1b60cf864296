"""Pictures of the double's graph: a process of its own, with numpy and OpenImageIO, that reads the script as text.

What Nuke does exactly is exact here too (reading and writing EXR, selecting, shifting, copying channels); filters are
not Nuke's. Outside its bounding box a picture is black.
"""
