"""Limits on requests for an email, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select

from digest.database.engine import read_only, transaction
from digest.database.tables import buckets, deliveries
from digest.ledger import events
from digest.subscribers import admission, subscriptions
from digest.subscribers.admission import (
    WITHOUT_FORM_TIME,
    Admission,
    EmailRequest,
    LimitScope,
    TooMany,
    buckets_of,
    forget_full_buckets,
)
from digest.subscribers.subscriber import Consent
from tests.support.page_actions import HOUR, NOW, SECRET
from tests.support.scenario import ON_SQLITE

AN_HOUR = 500  # so 10 of a client, 30 of a network, 125 to a domain


class Door:
    """Requests to an installation, at a moment."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.admission = Admission(engine, lambda: AN_HOUR, SECRET)
        self.now = NOW

    def refuses(self, client: str = "192.0.2.1", domain: str = "example.org", cost: int = 1) -> LimitScope | None:
        """The limit that a request meets, if any."""
        try:
            with transaction(self.engine) as connection:
                self.admission.take(connection, EmailRequest(client, domain, cost), self.now)
        except TooMany as problem:
            return problem.scope
        return None

    def takes(self, clients: list[str], domain: str = "example.org") -> int:
        """Count the requests that are taken."""
        taken = 0
        with self.engine.connect() as connection:
            for client in clients:
                with connection.begin():
                    try:
                        self.admission.take(connection, EmailRequest(client, domain), self.now)
                        taken += 1
                    except TooMany:
                        connection.rollback()
        return taken

    def rows(self) -> int:
        with read_only(self.engine) as connection:
            return connection.execute(select(func.count()).select_from(buckets)).scalar_one()


@pytest.fixture
def door(engine: Engine) -> Door:
    return Door(engine)


@pytest.mark.parametrize(
    ("client", "person", "site"),
    [
        ("192.0.2.77", "192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
        ("testclient", "testclient", "testclient"),
        ("", "", ""),
    ],
)
def test_a_person_and_a_site_are_networks(client: str, person: str, site: str) -> None:
    first, second, *_ = buckets_of(EmailRequest(client, "example.org"), AN_HOUR)
    assert (first.name, second.name) == (person, site)


def test_large_providers_have_the_whole_hour_and_subdomains_share_one_limit() -> None:
    def limit(domain: str) -> tuple[str, float]:
        bucket = buckets_of(EmailRequest("", domain), AN_HOUR)[2]
        return bucket.name, bucket.most

    assert limit("gmail.com") == ("gmail.com", AN_HOUR)
    assert limit("yahoo.co.uk") == ("yahoo.co.uk", AN_HOUR)
    assert limit("a.cs.example.ac.uk") == limit("b.example.ac.uk") == ("example.ac.uk", 125)
    assert limit("mail.example.org") == ("example.org", 125)


def test_a_client_gets_a_burst_and_then_one_when_it_has_waited(door: Door) -> None:
    assert door.takes(["192.0.2.1"] * 40) == 10
    assert door.refuses() is LimitScope.CLIENT
    assert door.refuses("192.0.2.2") is None, "a neighbour has a limit of their own"
    door.now += timedelta(minutes=5)
    assert door.refuses() is LimitScope.CLIENT
    door.now += timedelta(minutes=1)
    assert door.refuses() is None
    assert door.refuses() is LimitScope.CLIENT


def test_a_client_of_ipv6_cannot_use_its_other_addresses(door: Door) -> None:
    assert door.takes([f"2001:db8::{number:x}" for number in range(40)]) == 10
    assert door.takes([f"2001:db8:0:{number:x}::1" for number in range(1, 90)]) == 20, "nor its other networks"


def test_a_network_has_a_limit_for_all_its_clients(door: Door) -> None:
    assert door.takes([f"192.0.2.{number}" for number in range(90)]) == 30
    assert door.refuses("192.0.2.200") is LimitScope.NETWORK
    assert door.refuses("192.0.3.1") is None


def test_a_recipients_domain_and_the_installation_keep_half_for_networks_that_did_not_ask_lately(door: Door) -> None:
    flood = [f"10.0.{number // 30}.{number % 30}" for number in range(180)]
    assert door.takes(flood, "victim.example") == 65, "half of it, then only the first of each network"
    assert door.refuses("10.0.3.99", "victim.example") is LimitScope.DOMAIN
    assert door.refuses("10.0.0.99", "another.example") is LimitScope.NETWORK
    assert door.refuses("198.51.100.7", "victim.example") is None, "a stranger from elsewhere is still served"


@ON_SQLITE
def test_the_installation_has_a_limit_whoever_asks(door: Door) -> None:
    flood = [f"10.{number // 250}.{number % 250}.1" for number in range(520)]
    assert door.takes(flood, "gmail.com") == AN_HOUR
    assert door.refuses("198.51.100.7") is LimitScope.INSTALLATION
    door.now += HOUR
    assert door.refuses("198.51.100.7") is None


def test_a_request_without_a_form_counts_twice(door: Door) -> None:
    assert [door.refuses(cost=WITHOUT_FORM_TIME) for _ in range(6)] == [None] * 5 + [LimitScope.CLIENT]


def test_what_is_refused_takes_nothing_and_stores_nothing(door: Door) -> None:
    door.takes(["192.0.2.1"] * 10)
    rows = door.rows()

    def request(number: int) -> None:
        consent = Consent(NOW, "", "web 1")
        wanted = EmailRequest("192.0.2.1", f"victim{number}.example")
        subscriptions.subscribe(
            door.engine,
            f"ada@victim{number}.example",
            consent,
            SECRET,
            admit=lambda connection: door.admission.take(connection, wanted, NOW),
        )

    for number in range(20):
        with pytest.raises(TooMany):
            request(number)
    assert door.rows() == rows
    with read_only(door.engine) as connection:
        assert connection.execute(select(func.count()).select_from(deliveries)).scalar_one() == 0
        assert not [event for event in events.latest(connection, 9) if event.subject.startswith("subscriber:")]


def test_all_processes_share_the_limits(door: Door) -> None:
    other = Door(door.engine)
    assert door.takes(["192.0.2.1"] * 8) == 8
    assert other.takes(["192.0.2.1"] * 8) == 2


def test_a_flood_is_refused_without_the_database(door: Door) -> None:
    door.takes(["192.0.2.1"] * 11)
    door.engine.dispose()
    offline = Admission(door.engine, lambda: AN_HOUR, SECRET)
    offline.check(EmailRequest("192.0.2.1", "example.org"))  # another process has refused nothing yet
    with pytest.raises(TooMany) as refusal:
        door.admission.check(EmailRequest("192.0.2.1", "elsewhere.example"))
    assert 0 < refusal.value.seconds <= 360
    door.admission.check(EmailRequest("192.0.2.2", "example.org"))


def test_no_bucket_names_a_client_or_a_domain_and_full_ones_are_deleted(door: Door) -> None:
    door.refuses("192.0.2.1", "secret.example")
    with read_only(door.engine) as connection:
        assert all(len(key) == 32 for key in connection.scalars(select(buckets.c.key)))
    assert door.rows() == 4
    with transaction(door.engine) as connection:
        forget_full_buckets(connection, NOW + timedelta(seconds=10))
    assert door.rows() == 3, "the installation's is full after 7 seconds"
    with transaction(door.engine) as connection:
        forget_full_buckets(connection, NOW + timedelta(minutes=6, seconds=1))
    assert door.rows() == 0


def test_the_operator_is_told_once_an_hour_by_one_of_the_processes(door: Door) -> None:
    def told(at: timedelta, scope: LimitScope) -> int:
        Admission(door.engine, lambda: AN_HOUR, SECRET).tell_operator(TooMany(scope, 60), NOW + at)
        with read_only(door.engine) as connection:
            return len(events.latest(connection, 100, admission.EVENTS))

    assert [told(timedelta(minutes=minutes), LimitScope.CLIENT) for minutes in (0, 1, 59, 61)] == [1, 1, 1, 2]
    assert told(timedelta(minutes=62), LimitScope.INSTALLATION) == 3
