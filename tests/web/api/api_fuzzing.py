"""Lets Schemathesis look for requests that the API answers otherwise than its description says."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from digest.web.api.access import PATH

# Rules that no schema can say, so that a request which fits the schema may be refused: an address that mail servers
# take, arXiv's categories, zones, languages, and words that can match a paper.
_MORE_RULES = [("POST", "/subscribers"), ("PATCH", "/subscribers/{id}/preferences"), ("POST", "/suppressions")]
_ACCEPTED = ["2xx", "401", "403", "404", "409", "422"]


@dataclass
class Findings:
    """The result of a run."""

    cases: int = 0
    seconds: float = 0.0  # of CPU, of this process: of the server as well
    failures: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)  # by operation and status


def fuzz(
    url: str, token: str, examples: int, phases: tuple[str, ...], values: Mapping[str, str] | None = None
) -> Findings:
    """Send requests to every operation of the API at `url`, with every check that Schemathesis has.

    `values`: parameters that always have the same value, so that there is such a thing.
    """
    findings, began = Findings(), time.process_time()
    config = SchemathesisConfig.from_dict(
        {
            "base-url": f"{url}{PATH}",
            "headers": {"Authorization": f"Bearer {token}"},
            "generation": {"max-examples": examples, "database": "none", "deterministic": True},
            "seed": 1,
            "parameters": dict(values or {}),
            "phases": {name: {"enabled": name in phases} for name in ("examples", "coverage", "fuzzing", "stateful")},
            "operations": [
                {
                    "include-method": method,
                    "include-path": path,
                    "checks": {"positive_data_acceptance": {"expected-statuses": _ACCEPTED}},
                }
                for method, path in _MORE_RULES
            ],
        }
    )
    schema = schemathesis.openapi.from_url(f"{url}{PATH}/openapi.json", config=config)
    for event in from_schema(schema).execute():
        findings.failures += _failures(event, findings)
    findings.seconds = time.process_time() - began
    return findings


def _failures(event: Any, findings: Findings) -> Iterator[str]:
    if isinstance(event, events.NonFatalError):
        yield f"{event.label}: {event.info.format(bold=str)}"
    if isinstance(event, events.FatalError):
        raise event.exception
    if not isinstance(event, events.ScenarioFinished):
        return
    for case_id, interaction in event.recorder.interactions.items():
        case = event.recorder.cases[case_id].value
        status = interaction.response.status_code if interaction.response else "none"
        findings.cases += 1
        findings.answers[f"{case.operation.label} {status}"] += 1
    for case_id, checks in event.recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                case = event.recorder.cases[case_id].value
                yield f"{check.name}: {check.failure_info.failure}\n{case.as_curl_command()}"
