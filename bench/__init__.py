"""Load against the hot paths, each as a ratio to a floor measured in the same run. Run by `make bench`; never part of the tests.

A floor is the least that could answer: the same SQL over bare asyncpg behind a bare ASGI function, on the same uvicorn. The figure is
the median of alternated rounds, because a machine is never the same twice.
"""
