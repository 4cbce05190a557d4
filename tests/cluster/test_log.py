from __future__ import annotations

from mltask_fixtures.cluster.log import telling_line


def test_a_log_that_tells_nothing_known_gives_its_last_loud_line(tmp_path):
    """Better the last exception than the last line."""
    log = tmp_path / "console.log"
    log.write_text("starting\nx.y.FirstException: one\nx.y.LastException: two\n  at x.y\n")
    assert telling_line(log) == ("x.y.LastException: two", "the log says more.")


def test_a_quiet_log_gives_its_last_line(tmp_path):
    """Where nothing is loud, the last word counts."""
    log = tmp_path / "console.log"
    log.write_bytes(b"starting\nkilled \xff\n\n")
    assert telling_line(log)[0] == "killed \N{REPLACEMENT CHARACTER}"


def test_no_log_is_no_line(tmp_path):
    """A node may die before it writes anything."""
    assert telling_line(tmp_path / "none.log")[0] == ""


def test_a_warning_is_not_what_a_node_died_of(tmp_path):
    """A healthy 3.x node warns of a plugin that it can do without."""
    log = tmp_path / "console.log"
    log.write_text(
        "[t][WARN ][x] Missing plugin [opensearch-security], dependency of [opensearch-ml]\nBindException: Address already in use\n"
    )
    assert telling_line(log) == (
        "BindException: Address already in use",
        "another program took the port: choose one with --port.",
    )
