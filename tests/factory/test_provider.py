"""Any Faker can carry the provider: its seed decides, its locale gives the words."""

from __future__ import annotations

import pytest
from faker import Faker

from mltask_fixtures import check
from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.contract import decode_document_id, is_node_id
from mltask_fixtures.factory.provider import MLTaskProvider


def faker_of(locale="en_US", seed=4):
    """Make a Faker of a locale that has the provider."""
    fake = Faker(locale)
    fake.add_provider(MLTaskProvider)
    fake.seed_instance(seed)
    return fake


def draw(fake):
    """Draw one of everything."""
    return [
        fake.ml_task(), fake.ml_task("TRAINING", "FAILED", dialect="2.19"), fake.ml_lifecycle("DEPLOY_MODEL", "FAILED", dialect="3.6"),
        fake.ml_lifecycle(), fake.ml_task_id(), fake.ml_model_id(), fake.ml_node_id(), fake.ml_task_type(), fake.ml_task_state("TRAINING"),
        fake.ml_index_name(), fake.ml_error_message("TRAINING"), fake.ml_agent_answer(),
    ]  # fmt: skip


def test_seed_instance_decides():
    """The same seed draws the same, another another."""
    assert draw(faker_of()) == draw(faker_of())
    assert draw(faker_of()) != draw(faker_of(seed=5))


def test_the_shared_seed_decides():
    """`Faker.seed` holds as for every provider."""
    drawn = []
    for _ in range(2):
        fake = Faker()
        fake.add_provider(MLTaskProvider)
        Faker.seed(7)
        drawn.append(draw(fake))
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("time", ["first", "second"])
def test_the_fixture_of_faker_decides(faker, request, time):
    """The fixture of faker is seeded before each test, and so is the provider in it: with 0, or with the run's seed."""
    seed = request.getfixturevalue("faker_seed") if "faker_seed" in request.fixturenames else 0  # pytest-randomly's
    faker.add_provider(MLTaskProvider)
    assert draw(faker) == draw(faker_of(seed=seed)), time


class TestASeedOfItsOwn:
    """Where a fixture `faker_seed` says another seed."""

    @pytest.fixture(autouse=True)
    def faker_seed(self):
        """Say it, as faker's documentation does."""
        return 4711

    def test_the_fixture_of_faker_follows_it(self, faker):
        """The provider in the fixture draws as one in any Faker of that seed."""
        faker.add_provider(MLTaskProvider)
        assert draw(faker) == draw(faker_of(seed=4711))


def test_what_is_drawn_is_valid():
    """Tasks and ids hold before the check."""
    fake = faker_of()
    for _ in range(50):
        assert check(fake.ml_task(dialect="3.6"), "3.6") == []
        assert all(check(task, "2.19") == [] for task in fake.ml_lifecycle(dialect="2.19", stale_reads=True))
        assert decode_document_id(fake.ml_task_id()).time > 1_700_000_000_000
        assert is_node_id(fake.ml_node_id())
    assert len({fake.ml_task_id() for _ in range(200)}) == 200
    assert fake.ml_task("TRAINING", "FAILED", dialect="3.6", error="x").error == "x"
    assert fake.ml_lifecycle("TRAINING", "stuck", dialect="3.6").states == ("CREATED", "RUNNING")


@pytest.mark.parametrize("locale", ["de_DE", "ja_JP", "th_TH"])
def test_a_locale_changes_the_words_and_nothing_else(locale):
    """Ids, times and enums are those of the English Faker; the free text is not."""
    english, other = draw(faker_of()), draw(faker_of(locale))
    for one, two in zip(english[:1] + english[3:9], other[:1] + other[3:9], strict=True):
        assert one == two
    assert english[1].model_copy(update={"error": None}) == other[1].model_copy(update={"error": None})
    assert english[11] != other[11]


def test_a_faker_without_words_is_refused():
    """A generator that was made without lorem says what it lacks."""
    fake = Faker(providers=["faker.providers.python"])
    fake.add_provider(MLTaskProvider)
    with pytest.raises(WrongUseError, match=r"make it with the provider faker\.providers\.lorem"):
        fake.ml_index_name()
