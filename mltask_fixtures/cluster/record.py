"""Play scenarios on a cluster, whichever it is, and keep what went over the wire."""

from __future__ import annotations

import difflib
import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from mltask_fixtures import __version__
from mltask_fixtures._errors import MLTaskFixturesError, OutsideError, WrongUseError
from mltask_fixtures.cluster.report import SILENCE
from mltask_fixtures.cluster.scenario import MissedError, Need, Stage, scenarios

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from opensearchpy import OpenSearch

    from mltask_fixtures.cassette import InvalidCassetteError
    from mltask_fixtures.cluster.report import Report
    from mltask_fixtures.cluster.scenario import Scenario

TAKES_NO_MODEL = "plugins.ml_commons.max_model_on_node"
"""The setting that, at 0 in a node's own file, makes it refuse local models."""

JUDGED_BY_MODELS = "models"
"""What a recording says as its dialect that none describes; no dialect has that name."""

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_NEUTRAL_URL = "http://127.0.0.1:9200"
_TIMEOUT = 60  # seconds for one answer
_SHOWN = 2000  # characters of a body in an error
_TOLD = 300  # characters of a client's own words in one


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster that answers, and what it said of itself.

    Args:
        url: where, without credentials.
        credentials: user and password, or None.
        insecure: whether its certificate goes unchecked.
        version: of OpenSearch, to the patch.
        distribution: `opensearch`.
        plugins: name and version of each, sorted.
        offers: what it has beside ML Commons.
        name: of the cluster, where the recorder started it.
        allow_secrets: the fingerprints of values that look like secrets, are none, and may be recorded from it.
    """

    url: str
    credentials: tuple[str, str] | None
    insecure: bool
    version: str = ""
    distribution: str = ""
    plugins: tuple[str, ...] = ()
    offers: frozenset[Need] = frozenset()
    name: str = ""
    allow_secrets: tuple[str, ...] = ()

    def connect(self) -> OpenSearch:
        """A new client, without a connection yet."""
        from opensearchpy import OpenSearch

        return OpenSearch(
            hosts=[self.url],
            http_auth=self.credentials,
            verify_certs=not self.insecure,
            ssl_show_warn=False,
            timeout=_TIMEOUT,
            max_retries=0,  # a retry would be in the recording
        )


def choose(names: Iterable[str], *, every: bool = False) -> list[Scenario]:
    """The scenarios of these names, or every one.

    Raises:
        WrongUseError: no such scenario; the text names the nearest. Or none at all was named.
    """
    known = scenarios()
    if every:
        return list(known.values())
    chosen = []
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
            raise WrongUseError(f"there is no scenario {name!r}: {hint}")
        chosen.append(known[name])
    if not chosen:
        raise WrongUseError(f"name a scenario to record, or take --all; known are {', '.join(known)}.")
    return chosen


def look_at(url: str, *, insecure: bool = False, name: str = "") -> Cluster:
    """See which server this is, and that ML Commons is there.

    Args:
        url: of the cluster; user and password may stand in it.
        insecure: accept a certificate that nobody vouches for.
        name: of the cluster, where the recorder started it and may crash it.

    Raises:
        WrongUseError: not a URL.
        OutsideError: nothing answers there, it refuses the credentials, it is no OpenSearch, or it has no ML Commons.
    """
    cluster = _address(url, insecure=insecure)
    client = cluster.connect()
    try:
        with _in_words(cluster.url):
            about = client.info()
            plugins = client.cat.plugins(params={"format": "json"})
            nodes = _settings_of_nodes(client)
    finally:
        client.close()
    version = about.get("version", {}) if isinstance(about, dict) else {}
    if version.get("distribution") != "opensearch":
        raise OutsideError(f"what answers on {cluster.url} is not OpenSearch: it says {str(about)[:200]!r}.")
    names = tuple(sorted({f"{plugin['component']} {plugin['version']}" for plugin in plugins}))
    if not any(name.startswith("opensearch-ml ") for name in names):
        raise OutsideError(
            f"OpenSearch {version['number']} on {cluster.url} has no ML Commons (plugin opensearch-ml; "
            f"it has {', '.join(names) or 'no plugin at all'}): install it there, "
            "or put up a cluster that has it: mltask-fixtures cluster up",
        )
    return Cluster(
        url=cluster.url,
        credentials=cluster.credentials,
        insecure=insecure,
        version=version["number"],
        distribution=version["distribution"],
        plugins=names,
        offers=_offers(cluster.url, nodes, own=bool(name)),
        name=name,
    )


def _settings_of_nodes(client: OpenSearch) -> list[Mapping[str, Any]]:
    """The settings of each node; none where the cluster does not tell."""
    from opensearchpy.exceptions import OpenSearchException

    try:
        about = client.nodes.info(params={"flat_settings": "true", "filter_path": "nodes.*.settings"})
    except OpenSearchException:
        return []
    return [node.get("settings", {}) for node in about.get("nodes", {}).values()]


def _offers(url: str, nodes: Sequence[Mapping[str, Any]], *, own: bool) -> frozenset[Need]:
    """What a cluster has beside ML Commons."""
    from mltask_fixtures.cluster import namespace

    offers = {Need.OWN_NODE} if own else set()
    if urlsplit(url).hostname in _LOOPBACK:
        offers.add(Need.THIS_COMPUTER)
        if namespace.inside():
            offers.add(Need.ISOLATION)
    refusing = [settings for settings in nodes if str(settings.get(TAKES_NO_MODEL)) == "0"]
    if len(nodes) > 1 and len(refusing) == 1:
        offers.add(Need.TWO_NODES)
    return frozenset(offers)


def record(
    scenario: Scenario, cluster: Cluster, output: Path, *, normalise: bool = True, report: Report = SILENCE
) -> Path:
    """Play this scenario on this cluster and save what went over the wire.

    It is played anew, a few times, while a state that it has to show was missed. What it made on the cluster is
    removed again. Unless all is well no file is written and an older one stays.

    Args:
        scenario: what to play.
        cluster: where, see `look_at`.
        output: the folder of recordings; the file is `<server version>/<scenario>.json` below.
        normalise: whether ids, times and whatever else luck decides are replaced, see `cassette.normalise`.
        report: told about each state when it is seen.

    Returns:
        The file.

    Raises:
        WrongUseError: this server is too old for the scenario.
        OutsideError: the cluster refused something, or a state was missed each time.
        MLTaskFixturesError: what the server said contradicts its dialect, or holds a secret.

    Example:
        >>> cluster = look_at("http://127.0.0.1:9200")  # doctest: +SKIP
        >>> record(scenarios()["unknown-task-id"], cluster, Path("cassettes"))  # doctest: +SKIP
        PosixPath('cassettes/3.6.0/unknown-task-id.json')
    """
    if why := scenario.left_out(cluster.version, cluster.offers):
        raise WrongUseError(f"{scenario.name} {why}; this is OpenSearch {cluster.version} on {cluster.url}.")
    path = path_of(scenario, cluster.version, output)
    for attempt in range(1, scenario.attempts + 1):
        report.say(f"{scenario.name} on {cluster.version}" + (f", attempt {attempt}" if attempt > 1 else ""))
        try:
            with _in_words(cluster.url), _stage(scenario, cluster, path, report, normalise=normalise) as stage:
                stage.set(scenario.settings)
                scenario.play(stage)
        except MissedError as missed:
            if attempt == scenario.attempts:
                raise MissedError(f"{scenario.name}, played {attempt} times: {missed}") from missed
        else:
            break
    return path


def record_each(
    chosen: Sequence[Scenario], cluster: Cluster, output: Path, *, normalise: bool = True, report: Report = SILENCE
) -> Iterator[Path]:
    """Record these scenarios one after the other; one that fails does not keep the others.

    Args:
        chosen: what to play; those that crash the node come last.
        cluster: where, see `look_at`.
        output: the folder of recordings.
        normalise: as `record` takes it.
        report: told about each step.

    Yields:
        Each file, when it is written.

    Raises:
        MLTaskFixturesError: some were not recorded, whose older files stay; the text names them.
        OutsideError: the cluster died, and the rest was not tried.
    """
    failed: dict[str, MLTaskFixturesError] = {}
    in_order = sorted(chosen, key=lambda scenario: Need.OWN_NODE in scenario.needs)
    for number, scenario in enumerate(in_order):
        report.step(scenario.name, number, len(in_order))
        try:
            path = record(scenario, cluster, output, normalise=normalise, report=report)
        except MLTaskFixturesError as error:
            if len(in_order) == 1:
                raise
            failed[scenario.name] = error
            report.say(f"{scenario.name} was not recorded: {error}")
            try:
                look_at_again(cluster)
            except OutsideError as gone:
                rest = len(in_order) - number - 1
                raise OutsideError(
                    f"the cluster died while {scenario.name} was played: {gone} "
                    f"{rest} more were not tried; what was recorded before is kept, and no older file was touched."
                ) from error
        else:
            yield path
    if failed:
        worst = min(failed.values(), key=lambda error: error.exit_code)
        raise NotRecordedError(list(failed), len(in_order), exit_code=worst.exit_code)


def look_at_again(cluster: Cluster) -> None:
    """See that this cluster still answers.

    Raises:
        OutsideError: it does not.
    """
    client = cluster.connect()
    try:
        with _in_words(cluster.url):
            client.info()
    finally:
        client.close()


def path_of(scenario: Scenario, version: str, output: Path) -> Path:
    """Where the recording of this scenario on a server of this version belongs.

    Example:
        >>> from pathlib import Path
        >>> path_of(scenarios()["unknown-task-id"], "3.6.0", Path("cassettes")).as_posix()
        'cassettes/3.6.0/unknown-task-id.json'
    """
    folder = output / "synthetic" if scenario.synthetic else output
    return folder / version / f"{scenario.name}.json"


def _stage(scenario: Scenario, cluster: Cluster, path: Path, report: Report, *, normalise: bool) -> Stage:
    def crash() -> None:
        from mltask_fixtures.cluster.clusters import restart

        restart(cluster.name, report=report)

    return Stage(
        cluster.connect,
        _captured(scenario, cluster, path, normalise=normalise),
        report,
        version=cluster.version,
        offers=cluster.offers,
        crash=crash if cluster.name else None,
    )


def _captured(scenario: Scenario, cluster: Cluster, path: Path, *, normalise: bool) -> Any:
    from mltask_fixtures.cassette import InvalidCassetteError, recording
    from mltask_fixtures.cassette.normalise import stabilise
    from mltask_fixtures.contract import DIALECTS

    dialect = scenario.dialect or cluster.version

    @contextmanager
    def capture(stage: Stage) -> Iterator[None]:
        metadata = {
            "scenario": scenario.name,
            "description": scenario.sentence,
            **({"synthetic": scenario.synthetic} if scenario.synthetic else {}),
            "server": {
                "version": cluster.version,
                "distribution": cluster.distribution,
                "plugins": list(cluster.plugins),
            },
            "tool": {"mltask-fixtures": __version__},
            "recorded_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "dialect": dialect if dialect == JUDGED_BY_MODELS else DIALECTS[dialect].name,
        }
        shown_as = {**stage.shown_as, cluster.url: _NEUTRAL_URL}
        answers: Sequence[tuple[Any, Mapping[str, Any]]] = ()
        try:
            with recording(
                path, metadata=metadata, replace=shown_as, dialect=dialect, allow_secrets=cluster.allow_secrets
            ) as kept:
                answers = kept.data
                yield
                stage.check(scenario.must_see)
                kept.metadata["states"] = stage.states
                if normalise:
                    stabilise(kept, promised=scenario.must_see, replacing=shown_as, dialect=dialect)
        except InvalidCassetteError as invalid:
            raise UnexpectedAnswerError(scenario.name, invalid, [answer for _, answer in answers]) from invalid

    return capture


class NotRecordedError(MLTaskFixturesError):
    """Some scenarios of several were not recorded."""

    def __init__(self, names: Sequence[str], of: int, *, exit_code: int) -> None:
        """Take the names, of how many, and the exit code that fits."""
        self.names, self.exit_code = list(names), exit_code
        super().__init__(f"{len(names)} of {of} were not recorded, their older files stay: {', '.join(names)}.")


class UnexpectedAnswerError(MLTaskFixturesError):
    """A server said what its dialect does not have; the text shows the findings and the body."""

    def __init__(self, scenario: str, invalid: InvalidCassetteError, answers: list[Mapping[str, Any]]) -> None:
        """Take the findings, and all answers of the recording."""
        numbers = dict.fromkeys(
            re.findall(r"^interaction (\d+) ", "\n".join(one.field for one in invalid.findings), re.MULTILINE)
        )
        bodies = [bytes(answers[int(number) - 1]["body"]["string"]) for number in numbers]
        shown = [body.decode("utf-8", "replace")[:_SHOWN] for body in dict.fromkeys(bodies)]
        super().__init__(
            f"{scenario}: the server contradicts its dialect, nothing was written. {invalid}\n"
            + "\n".join(f"  {body}" for body in shown[:3])
        )


def _address(url: str, *, insecure: bool) -> Cluster:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise WrongUseError(f"{url!r} is not the URL of a cluster; one looks like http://127.0.0.1:9200")
    credentials = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    plain = urlunsplit((parts.scheme, f"{host}:{port}", parts.path.rstrip("/"), "", ""))
    return Cluster(url=plain, credentials=credentials, insecure=insecure)


@contextmanager
def _in_words(url: str) -> Iterator[None]:
    """Say what opensearch-py raises as a sentence that says what to do."""
    from opensearchpy import exceptions as failed

    try:
        yield
    except failed.SSLError as error:
        raise OutsideError(
            f"{url} shows a certificate that nobody vouches for: take --insecure if that is expected ({error.info}).",
        ) from error
    except failed.ConnectionError as error:
        raise OutsideError(
            f"nothing answers on {url} ({error.info}): is the cluster up, and is it http or https? "
            "To put one up here: mltask-fixtures cluster up",
        ) from error
    except (failed.AuthenticationException, failed.AuthorizationException) as error:
        raise OutsideError(
            f"{url} refuses these credentials ({error.status_code}): "
            "write them into the URL, https://USER:PASSWORD@host:port",
        ) from error
    except failed.TransportError as error:
        info = error.info if isinstance(error.info, dict) else {}
        reason = info["error"].get("reason") if isinstance(info.get("error"), dict) else error.error
        raise OutsideError(f"{url} answered {error.status_code}: {reason}") from error
    except failed.SerializationError as error:
        raise OutsideError(f"what answers on {url} is not OpenSearch: {error}") from error
    except failed.OpenSearchException as error:
        raise OutsideError(f"{url} did not do all that it was asked for: {str(error)[:_TOLD]}") from error
