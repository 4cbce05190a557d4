"""What all tests here may use."""

# pytester forgets the modules that a run inside has imported. What a client or vcrpy imports late must be there before,
# or two copies of it meet.
import aiohttp  # noqa: F401
import httpcore  # noqa: F401
import httpx  # noqa: F401
import opensearchpy  # noqa: F401
import requests  # noqa: F401
import vcr
import vcr.stubs.aiohttp_stubs
import vcr.stubs.httpx_stubs
import vcr.stubs.urllib3_stubs  # noqa: F401

pytest_plugins = ["pytester"]
