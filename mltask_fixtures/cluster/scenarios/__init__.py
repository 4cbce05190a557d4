"""The scenarios, one file each; a new file that declares SCENARIO is a new scenario."""
