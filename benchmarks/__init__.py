"""`make bench`: the same work done by this project, by the bare libraries and by the official package.

Each kind of work has its module here, with a `run` that measures, prints and says what was missed. Who does
the work are the scripts in `workers/`, each in a process of its own, those of the official package with the
Python of build/peers; they take turns, so that a busy machine slows all of them alike.
"""
