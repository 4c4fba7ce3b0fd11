"""A thousand lists explained, a thousand recorded subscribers ranked for, and 200 preheaders, on the whole data."""

import pytest

from tests.issues.profiles.test_profile import check_real_subscribers
from tests.issues.test_explain import ISSUES, check_lists
from tests.issues.test_explain import journal as journal
from tests.mail.builders import LANGUAGES
from tests.mail.compose.test_recorded_preheaders import check_preheaders


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("papers_of", "lists"), [("made up", 1000), ("recorded", 250)])
def test_of_a_thousand_lists_each_is_explained_as_it_was_sent(engine, request, journal, papers_of, lists):
    shared_data = request.getfixturevalue("shared_data") if papers_of == "recorded" else None
    check_lists(engine, shared_data, journal, ISSUES, subscribers=100, lists=lists)


@pytest.mark.timeout(600)
def test_a_thousand_real_subscribers_are_known_better_than_by_a_centroid(shared_data):
    check_real_subscribers(shared_data / "interest", every=1)


@pytest.mark.parametrize("language", LANGUAGES.codes)
def test_each_of_200_preheaders_names_papers_of_its_message(language, shared_data):
    check_preheaders(shared_data, language, count=100)
