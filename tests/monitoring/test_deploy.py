"""The alert rules and the dashboard in deploy/ use what /metrics exports, and nothing else."""

import ast
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from digest.database.engine import connect
from digest.monitoring import checks
from digest.monitoring.heartbeats import Role
from digest.monitoring.metrics import families, measure
from digest.monitoring.surroundings import QueueStatus
from digest.settings import Settings
from tests.support.scenario import MORNING

DEPLOY = Path(__file__).parents[2] / "deploy"
OF_PROMETHEUS = {"job", "instance"}
SUFFIXES = {"counter": "_total", "info": "_info"}
SELECTOR = re.compile(r"\b(digest_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*[=!]~?\s*"')
GROUPING = re.compile(r"\b(?:by|without) \(([^)]*)\) \([^{]*?\b(digest_\w+)")


@pytest.fixture
def exported(sqlite_url):
    """The labels of every exported metric, by its name."""
    engine = connect(sqlite_url)
    measured = measure(engine, Settings(), MORNING)
    engine.dispose()
    measured = replace(measured, status=replace(measured.status, queue=QueueStatus(True)))
    return {
        family.name + SUFFIXES.get(family.type, ""): {*getattr(family, "_labelnames", ())} | OF_PROMETHEUS
        for family in families(measured)
    }


def rules():
    (group,) = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())["groups"]
    return group["rules"]


def panels():
    return json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["panels"]


def expressions():
    alerts = [rule["expr"] for rule in rules()]
    return [*alerts, *(target["expr"] for panel in panels() for target in panel["targets"])]


def test_every_metric_and_label_in_rules_and_dashboard_is_exported(exported):
    used = set()
    for expression in expressions():
        for name, matchers in SELECTOR.findall(expression):
            used.add(name)
            assert {*MATCHER.findall(matchers)} <= exported[name], expression
        for labels, name in GROUPING.findall(expression):
            assert {label.strip() for label in labels.split(",")} <= exported[name], expression
    assert used == exported.keys()  # the dashboard shows everything


def test_every_problem_has_an_alert_of_its_name(exported):
    names = problem_names()
    assert {"no-worker", "web-dead", "no-issue", "disk"} <= names
    alerts = {rule["alert"]: rule for rule in rules()}
    expected = {f"Digest{''.join(part.capitalize() for part in name.split('-'))}": name for name in names}
    assert alerts.keys() == expected.keys() | {"DigestDown"}
    for alert, name in expected.items():
        assert f'digest_problems{{name="{name}"}}' in alerts[alert]["expr"]
        assert alerts[alert]["labels"]["severity"] == "{{ $labels.level }}"
        assert alerts[alert].keys() == {"alert", "expr", "labels", "annotations"}  # at once: `since` is in the problem


def problem_names():
    """The names that checks.py gives to problems; those of the processes are made from their roles."""
    calls = [node for node in ast.walk(ast.parse(Path(checks.__file__).read_text())) if isinstance(node, ast.Call)]
    made = [call.args[1] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Problem"]
    names = {node.value for node in made if isinstance(node, ast.Constant)}
    for template in (ast.unparse(node)[2:-1] for node in made if isinstance(node, ast.JoinedStr)):
        roles = (Role.WORKER, Role.SCHEDULER) if template.startswith("no-") else Role
        names |= {template.replace("{role}", role) for role in roles}
    return names


def test_the_dashboard_leaves_the_choice_of_the_data_source_to_its_user():
    for panel in panels():
        sources = {json.dumps(each["datasource"]) for each in (panel, *panel["targets"])}
        assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
    assert len({panel["id"] for panel in panels()}) == len(panels())
