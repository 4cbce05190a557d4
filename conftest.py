"""What all tests here may use."""

pytest_plugins = ["pytester"]
