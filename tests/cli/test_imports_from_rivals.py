"""Lists of other programs: people who left, bounced, were blocked or never confirmed there get no issue here."""

from datetime import UTC, datetime, timedelta

import pytest
import structlog

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries
from digest.subscribers.store import by_key
from digest.subscribers.subscriber import recipient_key
from tests.cli.test_imports import CONSENT, statuses
from tests.mail.delivery.builders import hands
from tests.support.scenario import MORNING, ON_SQLITE, SECRET, add_papers, cut

__all__ = ["hands"]  # a fixture

# People called "in…" are subscribers there; the others are not.
LISTMONK = (
    "uuid,email,name,attributes,status,created_at,updated_at\n"
    'u1,in@lm.example.com,Ada,"{""city"": ""Rome""}",enabled,2024-05-06T07:08:09Z,2024-05-06T07:08:09Z\n'
    "u2,disabled@lm.example.com,Ben,{},disabled,2024-05-06T07:08:09Z,2024-05-06T07:08:09Z\n"
    "u3,blocked@lm.example.com,Cid,{},blocklisted,2024-05-06T07:08:09Z,2024-05-06T07:08:09Z\n"
)
LISTMONK_API = (
    '{"data": {"results": [\n'
    '{"id": 1, "email": "in2@lm.example.com", "status": "enabled", "lists": [{"id": 1, "subscription_status":'
    ' "confirmed"}]},\n'
    '{"id": 2, "email": "left@lm.example.com", "status": "enabled", "lists": [{"id": 1, "subscription_status":'
    ' "unsubscribed"}]},\n'
    '{"id": 3, "email": "waits@lm.example.com", "status": "enabled", "lists": [{"id": 1, "subscription_status":'
    ' "unconfirmed"}]}\n]}}'
)
_MAILCHIMP = (
    '"Email Address","First Name","Last Name",MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,'
    "LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,{}LAST_CHANGED,LEID,EUID,NOTES,TAGS\n"
)
_MEMBER = ',Ada,,2,"2015-03-16 14:40:47",192.0.2.1,"{}",192.0.2.1,,,,,,,,{}"2015-03-16 14:40:47",1,a1,,"""VIP"""\n'
MAILCHIMP = {
    "subscribed_email_audience_export_fd09b24d1e.csv": _MAILCHIMP.format("")
    + "in@mc.example.com"
    + _MEMBER.format("2015-03-16 14:40:47", "")
    + "never-confirmed@mc.example.com"
    + _MEMBER.format("", ""),
    "unsubscribed_email_audience_export_fd09b24d1e.csv": _MAILCHIMP.format(
        "UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER,"
    )
    + "left@mc.example.com"
    + _MEMBER.format("2015-03-16 14:40:47", '"2016-01-02 03:04:05",,,N/A,,'),
    "cleaned_email_audience_export_fd09b24d1e.csv": _MAILCHIMP.format(
        "CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID,"
    )
    + "cleaned@mc.example.com"
    + _MEMBER.format("2015-03-16 14:40:47", '"2016-01-02 03:04:05",,,'),
    # The columns are those of subscribers: only the name of the file shows that these are not.
    "nonsubscribed_email_audience_export_fd09b24d1e.csv": _MAILCHIMP.format("")
    + "bought@mc.example.com"
    + _MEMBER.format("2015-03-16 14:40:47", ""),
}
_BUTTONDOWN = (
    "regular premium trialed unpaid gifted churning past_due"
    " | unactivated unsubscribed spammy removed complained undeliverable blocked disabled paused something_new"
)
BUTTONDOWN_STATES = [part.split() for part in _BUTTONDOWN.split("|")]
BUTTONDOWN = "id;email_address;notes;type;creation_date;unsubscription_date;undeliverability_date;tags\n" + "".join(
    f"{state};{'in-' if stays else ''}{state}@bd.example.com;;{state};2024-05-06T07:08:09Z;;;\n"
    for stays, states in zip((True, False), BUTTONDOWN_STATES, strict=True)
    for state in states
)
SUBSTACK = (
    "email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at\n"
    "in-free@ss.example.com,false,,other,false,2025-01-01T00:00:00.000Z,\n"
    "in-paid@ss.example.com,true,2027-01-01T00:00:00.000Z,yearly,false,2025-01-01T00:00:00.000Z,2025-06-01\n"
    "disabled@ss.example.com,false,,other,true,2025-01-01T00:00:00.000Z,\n"
)
SUBSTACK_ALL_COLUMNS = (
    "Email,Name,Stripe plan,Cancel date,Start date,Paid upgrade date,Bestseller,Emails received (6mo),Activity,Type,"
    "State/Province,Subscription source (free)\n"
    "in-ana@ss.example.com,Ana,,,2025-01-01T00:00:00.000Z,,,120,5,Free,CA,substack-notes\n"
    "cancelled@ss.example.com,Bob,Monthly,2025-05-01T00:00:00.000Z,2025-02-01T00:00:00.000Z,,,3,1,Paid,NY,direct\n"
)
GHOST = (
    "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers\r\n"
    "1,in@gh.example.com,Ada,,true,false,,2022-03-16T08:03:11.000Z,,VIP,\r\n"
    "2,off@gh.example.com,Ben,,false,false,,2022-03-16T08:03:11.000Z,,,\r\n"
    "3,deleted@gh.example.com,Cid,,true,false,,2022-03-16T08:03:11.000Z,2023-03-16T08:03:11.000Z,,\r\n"
)
GHOST_API = (
    '{"members": [{"email": "in2@gh.example.com", "subscribed": true, "status": "comped",'
    ' "email_suppression": {"suppressed": false, "info": null}},'
    '{"email": "bounced@gh.example.com", "subscribed": true, "status": "free",'
    ' "email_suppression": {"suppressed": true, "info": {"reason": "fail"}}},'
    '{"email": "off2@gh.example.com", "subscribed": false, "status": "free"}]}'
)
FILES = {
    "listmonk.csv": LISTMONK,
    "listmonk.json": LISTMONK_API,
    **MAILCHIMP,
    "buttondown.csv": BUTTONDOWN,
    "email_list.papers.csv": SUBSTACK,
    "substack.csv": SUBSTACK_ALL_COLUMNS.replace(",", "\t").encode("utf-16"),
    "members.ghost.csv": b"\xef\xbb\xbf" + GHOST.encode(),
    "ghost.json": GHOST_API,
}


@pytest.fixture
def moved(run, tmp_path, clock):
    """Import every file with consent given elsewhere, on the day before the issue."""
    clock.move_to(MORNING - timedelta(days=1))
    outputs = {}
    for name, content in FILES.items():
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        outputs[name] = run("subscribers", "import", file, *CONSENT).stderr
    return outputs


def test_nobody_who_left_a_rival_gets_an_issue_and_all_others_do(moved, run, engine, hands, smtp_server, clock):
    add_papers(engine, range(3))
    with transaction(engine) as connection:  # a confirmation email is not an issue
        asked = {row.recipient for row in connection.execute(deliveries.select())}
        connection.execute(deliveries.delete())
    structlog.reset_defaults()  # the commands logged to a stream that is now closed
    clock.move_to(MORNING)
    cut(engine)
    hands.deliver()
    mailed = {address for message in smtp_server.taken for address in message.rcpt_tos}
    confirmed = {address for address, status in statuses(run).items() if status == "confirmed"}
    expected = {f"in-{state}@bd.example.com" for state in BUTTONDOWN_STATES[0]} | {
        "in@lm.example.com", "in2@lm.example.com", "in@mc.example.com", "in-free@ss.example.com",
        "in-paid@ss.example.com", "in-ana@ss.example.com", "in@gh.example.com", "in2@gh.example.com",
    }  # fmt: skip
    assert mailed == confirmed == expected
    assert len(asked) == 3, "those who never confirmed are asked: one each of listmonk, Mailchimp and Buttondown"


@ON_SQLITE
def test_an_unknown_status_is_rejected_with_its_line(moved):
    assert "line 17: 'paused@bd.example.com': unknown status 'paused'; write confirmed" in moved["buttondown.csv"]
    assert "line 18: 'something_new@bd.example.com': unknown status 'something_new'" in moved["buttondown.csv"]
    assert "2 invalid" in moved["buttondown.csv"]


@ON_SQLITE
def test_a_consent_keeps_the_dates_recorded_by_the_rival(moved, engine):
    with read_only(engine) as connection:
        ada = by_key(connection, recipient_key("in@mc.example.com", SECRET))
        cid = by_key(connection, recipient_key("in-paid@ss.example.com", SECRET))
    assert ada.consent.confirmed_at == ada.created_at == datetime(2015, 3, 16, 14, 40, 47, tzinfo=UTC)
    assert cid.created_at == datetime(2025, 1, 1, tzinfo=UTC)
    assert cid.consent.confirmed_at.date() == MORNING.date() - timedelta(days=1), "Substack records no confirmation"


@ON_SQLITE
def test_a_list_without_a_status_can_be_imported_as_people_who_left(run, tmp_path):
    file = tmp_path / "left.csv"
    file.write_text("email,name\nada@example.com,Ada\n")
    run("subscribers", "import", file, *CONSENT, "--status", "unsubscribed")
    assert statuses(run) == {"ada@example.com": "unsubscribed"}
    assert "1 left" in run("subscribers", "import", file, *CONSENT).stderr


@ON_SQLITE
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_every_encoding_and_separator_of_spreadsheets_is_read(run, tmp_path, encoding, mark):
    file = tmp_path / "list.csv"
    rows = [["email", "keywords"], ["ada@example.com", "Erdős" if encoding != "cp1252" else "naïve – “x”"]]
    file.write_bytes("".join(f"{mark.join(row)}\r\n" for row in rows).encode(encoding))
    done = run("subscribers", "import", file, *CONSENT)
    assert statuses(run) == {"ada@example.com": "confirmed"}, done.output
    assert rows[1][1] in run("subscribers", "export").stdout
