"""What the collection leaves out."""

# A project of its own, with its own tests: it runs in an environment of its own, against the wheel.
collect_ignore = ["downstream"]
