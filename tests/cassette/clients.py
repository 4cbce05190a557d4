"""Every client that a replay knows, each asked in its own way: `(method, url, body) -> (status, body)`."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import aiohttp
import httpx
import requests
import urllib3
from opensearchpy import AsyncOpenSearch, OpenSearch, RequestsHttpConnection, TransportError

_TLS = ssl.create_default_context()  # made once: it takes httpx longer than all requests here
_JSON = {"Content-Type": "application/json"}


def by_requests(method, url, body=None):
    with requests.Session() as session:
        response = session.request(method, url, json=body)
    return response.status_code, response.content


def by_urllib3(method, url, body=None):
    with urllib3.PoolManager() as pool:
        headers = {"Accept-Encoding": "gzip"}
        response = (
            pool.request(method, url, json=body, headers=headers)
            if body
            else pool.request(method, url, headers=headers)
        )
    return response.status, response.data


def by_httpx(method, url, body=None):
    with httpx.Client(verify=_TLS) as client:
        response = client.request(method, url, json=body)
    return response.status_code, response.content


def by_httpx_async(method, url, body=None):
    async def ask():
        async with httpx.AsyncClient(verify=_TLS) as client:
            response = await client.request(method, url, json=body)
            return response.status_code, response.content

    return asyncio.run(ask())


def by_aiohttp(method, url, body=None):
    async def ask():
        async with aiohttp.ClientSession() as session, session.request(method, url, json=body) as response:
            return response.status, await response.read()

    return asyncio.run(ask())


def by_urllib_request(method, url, body=None):
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, _JSON if body else {}, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def by_http_client(method, url, body=None):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    try:
        data = json.dumps(body) if body else None
        connection.request(method, url[url.index(parts.netloc) + len(parts.netloc) :], data, _JSON if body else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _opensearch(make, method, url, body):
    parts = urlsplit(url)
    client = make(f"{parts.scheme}://{parts.netloc}")
    try:
        answer = client.transport.perform_request(method, url.partition(parts.netloc)[2], body=body)
    except TransportError as error:
        if error.status_code == "N/A":
            raise
        return error.status_code, json.dumps(error.info).encode()
    finally:
        client.close()
    return 200, json.dumps(answer).encode()


def by_opensearch(method, url, body=None):
    return _opensearch(OpenSearch, method, url, body)


def by_opensearch_compressing(method, url, body=None):
    return _opensearch(lambda host: OpenSearch(host, http_compress=True), method, url, body)


def by_opensearch_requests(method, url, body=None):
    return _opensearch(lambda host: OpenSearch(host, connection_class=RequestsHttpConnection), method, url, body)


def by_opensearch_async(method, url, body=None):
    async def ask():
        parts = urlsplit(url)
        async with AsyncOpenSearch(f"{parts.scheme}://{parts.netloc}", http_compress=True) as client:
            try:
                answer = await client.transport.perform_request(method, url.partition(parts.netloc)[2], body=body)
            except TransportError as error:
                if error.status_code == "N/A":
                    raise
                return error.status_code, json.dumps(error.info).encode()
        return 200, json.dumps(answer).encode()

    return asyncio.run(ask())


CLIENTS = {name.removeprefix("by_"): function for name, function in globals().items() if name.startswith("by_")}
BINARY_CLIENTS = {name: function for name, function in CLIENTS.items() if not name.startswith("opensearch")}
"""Those that hand over any body, not JSON alone."""
