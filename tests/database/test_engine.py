"""Connections to the database."""

from digest.database.engine import connect


def test_a_connection_to_postgresql_uses_utc_whatever_zone_its_server_is_in(postgresql_url, monkeypatch):
    monkeypatch.setenv("PGTZ", "Asia/Kolkata")
    engine = connect(postgresql_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW TimeZone").scalar_one() == "UTC"
    engine.dispose()
