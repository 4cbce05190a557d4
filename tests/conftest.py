"""What the collection leaves out, and what holds for every property."""

from hypothesis import settings

# A project of its own, with its own tests: it runs in an environment of its own, against the wheel.
collect_ignore = ["downstream"]

# No timing decides a test: a machine may be busy.
settings.register_profile("here", deadline=None)
settings.load_profile("here")
