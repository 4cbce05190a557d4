"""A corpus of secrets, made anew at each run, so that none stands in this repository."""

import base64
import json
import random
import string
from typing import NamedTuple

ALNUM = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + string.digits
URLSAFE = ALNUM + "-_"
HEX = "0123456789abcdef"


class Secret(NamedTuple):
    """A value, and what it is."""

    kind: str
    value: str


def draw(rng, letters, length):
    """Give random letters, of which some are small, some capital, some digits, where there are such."""
    kinds = [kind for kind in (str.isdigit, str.isupper, str.islower) if any(map(kind, letters))]
    while True:
        text = "".join(rng.choice(letters) for _ in range(length))
        if all(any(map(kind, text)) for kind in kinds):
            return text


def b64(text):
    return base64.b64encode(text.encode()).decode()


def jwt(rng):
    part = lambda values: base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")  # noqa: E731
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': draw(rng, ALNUM, 10)})}.{draw(rng, URLSAFE, 43)}"


def shapes(rng):
    """Secrets that are known by their shape, wherever they stand."""
    begin, end = "-----BEGIN ", "-----END "
    pem = "\n".join(draw(rng, ALNUM + "+/", 64) for _ in range(6))
    yield from (
        Secret("AWS access key", "AKIA" + draw(rng, UPPER, 16)),
        Secret("AWS temporary key", "ASIA" + draw(rng, UPPER, 16)),
        Secret("AWS secret key", draw(rng, ALNUM + "+/", 40)),
        Secret("AWS session token", "IQoJb3JpZ2lu" + draw(rng, ALNUM + "+/", 200)),
        Secret("OpenAI", "sk-" + draw(rng, ALNUM, 20) + "T3Blbk" + "FJ" + draw(rng, ALNUM, 20)),
        Secret("OpenAI project", "sk-proj-" + draw(rng, URLSAFE, 74) + "T3Blbk" + "FJ" + draw(rng, URLSAFE, 74)),
        Secret("OpenAI service", "sk-svcacct-" + draw(rng, URLSAFE, 60)),
        Secret("Anthropic", "sk-ant-api03-" + draw(rng, URLSAFE, 93) + "AA"),
        Secret("DeepSeek", "sk-" + draw(rng, HEX, 32)),
        Secret("Cohere", draw(rng, ALNUM, 40)),
        Secret("Hugging Face", "hf_" + draw(rng, ALNUM, 34)),
        Secret("Google", "AIza" + draw(rng, URLSAFE, 35)),
        Secret("Google OAuth", "ya29." + draw(rng, URLSAFE, 60)),
        Secret("Groq", "gsk_" + draw(rng, ALNUM, 52)),
        Secret("Replicate", "r8_" + draw(rng, ALNUM, 37)),
        Secret("xAI", "xai-" + draw(rng, ALNUM, 80)),
        Secret("Perplexity", "pplx-" + draw(rng, ALNUM, 48)),
        Secret("NVIDIA", "nvapi-" + draw(rng, URLSAFE, 64)),
        Secret("Voyage", "pa-" + draw(rng, URLSAFE, 43)),
        Secret("Pinecone", "pcsk_" + draw(rng, ALNUM, 60)),
        Secret("LangSmith", "lsv2_pt_" + draw(rng, HEX, 32) + "_" + draw(rng, HEX, 10)),
        Secret("Databricks", "dapi" + draw(rng, HEX, 32)),
        Secret("GitHub", "ghp_" + draw(rng, ALNUM, 36)),
        Secret("GitHub fine", "github_pat_" + draw(rng, ALNUM, 22) + "_" + draw(rng, ALNUM, 59)),
        Secret("GitLab", "glpat-" + draw(rng, ALNUM, 20)),
        Secret("npm", "npm_" + draw(rng, ALNUM, 36)),
        Secret("Slack bot", "xoxb-" + draw(rng, string.digits, 12) + "-" + draw(rng, ALNUM, 24)),
        Secret("Slack app", "xapp-1-" + draw(rng, UPPER, 11) + "-" + draw(rng, string.digits, 13)),
        Secret(
            "Slack hook",
            "https://hooks.slack.com/services/T"
            + draw(rng, UPPER, 8)
            + "/B"
            + draw(rng, UPPER, 8)
            + "/"
            + draw(rng, ALNUM, 24),
        ),
        Secret("Stripe", "sk_live_" + draw(rng, ALNUM, 24)),
        Secret("SendGrid", "SG." + draw(rng, URLSAFE, 22) + "." + draw(rng, URLSAFE, 43)),
        Secret("Mailchimp", draw(rng, HEX, 32) + "-us12"),
        Secret("Twilio", "SK" + draw(rng, HEX, 32)),
        Secret("Discord", "M" + draw(rng, ALNUM, 23) + "." + draw(rng, ALNUM, 6) + "." + draw(rng, ALNUM, 27)),
        Secret("PyPI", "pypi-AgEIcHlwaS5vcmc" + draw(rng, URLSAFE, 80)),
        Secret("Shopify", "shpat_" + draw(rng, HEX, 32)),
        Secret("DigitalOcean", "dop_v1_" + draw(rng, HEX, 64)),
        Secret("Vault", "hvs." + draw(rng, URLSAFE, 90)),
        Secret("Azure storage", "AccountKey=" + draw(rng, ALNUM + "+/", 86) + "=="),
        Secret("Atlassian", "ATATT3" + draw(rng, URLSAFE, 60)),
        Secret("Linear", "lin_api_" + draw(rng, ALNUM, 40)),
        Secret("Notion", "ntn_" + draw(rng, ALNUM, 46)),
        Secret("JWT", jwt(rng)),
        Secret("RSA key", f"{begin}RSA PRIVATE KEY-----\n{pem}\n{end}RSA PRIVATE KEY-----"),
        Secret("key", f"{begin}PRIVATE KEY-----\n{pem}\n{end}PRIVATE KEY-----"),
        Secret("OpenSSH key", f"{begin}OPENSSH PRIVATE KEY-----\n{pem}\n{end}OPENSSH PRIVATE KEY-----"),
        Secret("bcrypt", "$2y$12$" + draw(rng, ALNUM, 53)),
        Secret("basic auth", b64(f"admin:{draw(rng, ALNUM, 14)}")),
        Secret("URL with a password", f"https://admin:{draw(rng, ALNUM, 12)}@search.example.com"),
    )


NAMES = (
    "password", "passwd", "pwd", "passphrase", "secret", "client_secret", "clientSecret", "secret_key", "secretKey",
    "access_key", "accessKey", "secretAccessKey", "aws_secret_access_key", "session_token", "sessionToken",
    "access_token", "accessToken", "refresh_token", "id_token", "token", "auth_token", "authToken", "bearer_token",
    "api_key", "apiKey", "apikey", "API-KEY", "x-api-key", "openAI_key", "openai_api_key", "cohere_key",
    "anthropic_api_key", "private_key", "account_key", "shared_key", "encryption_key", "signing_key", "master_key",
    "auth", "authorization", "Authorization", "credential", "credentials", "signature", "connection_string",
    "credential.access_key", "hf_token", "subscription-key", "sas", "jwt",
)  # fmt: skip
HEADERS = (
    "Authorization", "authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "api-key",
    "X-Auth-Token", "X-Amz-Security-Token", "X-Goog-Api-Key", "X-Amz-Signature", "Ocp-Apim-Subscription-Key",
    "X-Access-Token", "X-Vault-Token", "X-Csrf-Token", "PRIVATE-TOKEN",
)  # fmt: skip


def exchange(*, uri="http://h:9200/_plugins/_ml/connectors/_create", asked=None, body=b"{}", sent=None, said=None):
    """One exchange, in the places of which a secret can be put."""
    return {
        "request": {"method": "POST", "uri": uri, "headers": sent or {}, "body": asked},
        "response": {"status": {"code": 200, "message": "OK"}, "headers": said or {}, "body": {"string": body}},
    }


def written(value):
    return json.dumps(value).encode()


def named(rng):
    """Secrets that are known by their names: words without a shape, in every place where a name can stand."""
    for name in NAMES:
        value = "hunter" + draw(rng, LOWER, 9)
        yield f"{name} in JSON", value, exchange(asked=written({"a": [{name: value}]}), body=written({name: value}))
        yield f"{name} in a query", value, exchange(uri=f"http://h/x?a=1&{name}={value}&b=2")
        yield f"{name} in a form", value, exchange(asked=f"a=1&{name}={value}&b=2".encode())
        yield f"{name} in JSON in JSON", value, exchange(body=written({"settings": json.dumps({"x": {name: value}})}))
        yield f"{name} in damaged JSON", value, exchange(body=b'{"a": {' + written({name: value})[1:-1])
        yield (
            f"{name} twice in JSON",
            value,
            exchange(asked=b'{"%s":"%s","%s":"%s"}' % ((name.encode(), value.encode()) * 2)),
        )
        yield (
            f"{name} in JSON lines",
            value,
            exchange(asked=written({"index": {}}) + b"\n" + written({name: value}) + b"\n"),
        )
        yield (
            f"{name} in an escaped template",
            value,
            exchange(asked=written({"request_body": f'{{ "{name}": "{value}", "x": ${{parameters.x}} }}'})),
        )
        yield f"{name} in a URL in JSON", value, exchange(asked=written({"url": f"https://h/x?{name}={value}"}))
    for name in HEADERS:
        value = "hunter" + draw(rng, LOWER, 9)
        yield f"{name} as a request's header", value, exchange(sent={name: [value]})
        yield f"{name} as an answer's header", value, exchange(said={name: [value, value]})
        yield (
            f"{name} as a connector's header",
            value,
            exchange(asked=written({"actions": [{"headers": {name: value}}]})),
        )
    for name, text in (
        ("Cookie", "a={0}; b={0}"),
        ("Set-Cookie", "session={0}; Path=/; HttpOnly"),
        ("set-cookie", "{0}"),
    ):
        value = "hunter" + draw(rng, LOWER, 9)
        yield (
            f"{name} {text}",
            value,
            exchange(sent={name: [text.format(value)]}, said={name: [text.format(value)] * 2}),
        )
    for name in ("access_key", "anything", "endpoint_pass", "x"):
        value = "hunter" + draw(rng, LOWER, 9)
        yield (
            f"credential.{name}",
            value,
            exchange(asked=written({"credential": {name: value, "deeper": {"y": [value]}}})),
        )


def told(rng):
    """Secrets in running text, and in what a client writes."""
    word = lambda: "hunter" + draw(rng, LOWER, 9)  # noqa: E731
    texts = (
        "Authorization: {}", "authorization: Custom {}", "Authorization: Bearer {}", "sent Bearer {} to it",
        "apikey {} was refused", "password: {}", "password={}", "PASSWORD = '{}'", "--password={} --user=me",
        "secret_key: {}", "'api_key': '{}'", "https://me:{}@h:9200/", "https://{}@h:9200/", "amqp://me:{}@h",
        "https://h/?api_key={}&a=1", "https://h/?X-Amz-Signature={}", "curl -H 'X-Api-Key: {}'", "client_secret={};",
        "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=ab",
        "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature={}", "postgresql://me:{}@db/x",
    )  # fmt: skip
    for text in texts:
        value = word()
        full = text.format(value)
        yield f"{text} in an answer", value, exchange(body=written({"error": {"reason": full}}))
        yield f"{text} as text", value, exchange(body=full.encode())
        yield f"{text} in a header", value, exchange(said={"x-note": [full]})
    basic = b64(f"admin:{word()}")
    yield "basic auth in text", basic, exchange(body=written({"note": f"sent Basic {basic}"}))
    yield "basic auth of a connector", basic, exchange(asked=written({"headers": {"Authorization": f"Basic {basic}"}}))
    value = word()
    yield "userinfo of the URL", value, exchange(uri=f"https://me:{value}@h:9200/_search")
    part = f'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n{value}\r\n--x--\r\n'
    yield "a part of a form", value, exchange(asked=part.encode())
    yield "a part beside bytes", value, exchange(asked=b"\xff\xfe" + part.encode())
    yield "a number", "987654321", exchange(asked=b'{"password": 987654321}')


def placed(rng):
    """Secrets of a known shape where no name tells of them."""
    for secret in shapes(rng):
        value, kind = secret.value, secret.kind
        yield f"{kind} in JSON", value, exchange(asked=written({"parameters": {"note": value}}))
        yield (
            f"{kind} in an answer's JSON",
            value,
            exchange(body=written({"hits": [{"_source": {"text": f"it is {value} ."}}]})),
        )
        yield f"{kind} as a key", value, exchange(body=written({"usage": {value: 1}}))
        yield f"{kind} in text", value, exchange(body=f"see {value}\nand".encode())
        yield f"{kind} in a header", value, exchange(said={"x-note": [value.replace("\n", " ")]})
        yield f"{kind} beside bytes", value, exchange(body=b"\xff\xfe\x00" + value.encode() + b" \xff")
        yield f"{kind} in JSON in JSON", value, exchange(asked=written({"x": json.dumps({"y": [value]})}))


def corpus():
    """Every planted secret: a title, the value, and the exchange that has it."""
    rng = random.Random("secrets")
    return [*named(rng), *told(rng), *placed(rng)]
