"""Pictures of the double's render jobs: a process of its own, with numpy and OpenImageIO.

What a test compares exactly is exact here: a clip of the timeline's size without grade or sizing comes out with its
samples (as far as the codec keeps them). Resizing is bilinear, which no Resolve is.
"""
