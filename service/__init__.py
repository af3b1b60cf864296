"""The generation service: jobs, scheduling, workers, storage. Started with ``python -m overscan.service``.

The service process itself imports neither numpy nor any image library, so that it is ready at once and so that no
picture, however broken, can take it down: everything that touches pixels or an engine's code runs in a worker process.
"""
