"""allure-behave's formatter, plus what it loses of a behave 1.3 run.

The stock formatter knows no `Rule:` (its scenarios get no result at all), calls a scenario whose
hook or cleanup broke "passed" or "skipped", mixes up scenarios with the same name, and adds to
the results of earlier runs. behave's last line counts the time of steps only. Read in, and
measured with, allure-behave 2.16.2 and behave 1.3.3.
"""

# allure_commons comes with types for half of its functions.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import Iterator
from typing import Any

import allure_commons
from allure_behave.formatter import AllureFormatter
from allure_behave.listener import AllureListener
from allure_behave.utils import scenario_status, scenario_status_details
from allure_commons.mapping import parse_tag
from allure_commons.model2 import Link, Status, StatusDetails
from allure_commons.utils import md5, now
from behave.configuration import Configuration
from behave.formatter.base import StreamOpener
from behave.model import Feature, Rule, Scenario
from behave.model import Status as BehaveStatus
from behave.reporter.summary import AbstractSummaryReporter

from report import attachments
from report.identity import full_name_of, history_id_of, labels_of, name_of, rule_of

CLEANUP_ERROR = "CLEANUP-ERROR"  # begins the line that is all behave keeps of such an error
STEP_ARGUMENTS = {".table": "The step's table", ".text": "The step's text"}


def is_in_use(config: Configuration) -> bool:
    """True if the run leaves results: behave reads pyproject.toml only where it was started."""
    return any(name.endswith(f":{LivingFormatter.__name__}") for name in config.format or ())


class LivingFormatter(AllureFormatter):  # type: ignore[misc]
    """Write one Allure result for every scenario that ran, or should have.

    The results folder is emptied when a run starts, so that it holds one run. A dry run leaves it
    alone: it proves nothing and must not replace what does.
    """

    listener: AllureListener

    def __init__(self, stream_opener: StreamOpener, config: Configuration) -> None:
        if not config.dry_run:
            shutil.rmtree(stream_opener.name, ignore_errors=True)
        super().__init__(stream_opener, config)
        if config.dry_run:
            allure_commons.plugin_manager.unregister(self.file_logger)
        allure_commons.plugin_manager.unregister(self.listener)
        self.listener = LivingListener(config)
        allure_commons.plugin_manager.register(self.listener)
        self._feature: Feature | None = None
        self._started = time.monotonic()

    def feature(self, feature: Feature) -> None:
        self._feature = feature
        super().feature(feature)

    def rule(self, rule: Rule) -> None:
        self._wrap_scenario(rule.scenarios)

    def eof(self) -> None:
        if self._feature is not None:
            for scenario in self._feature.walk_scenarios():
                self.listener.report_if_prevented(scenario)
        super().eof()

    def close(self) -> None:
        """Have behave's last line tell how long the run took.

        Its own figure is the sum of all steps. The time in hooks is not in it: bringing nodes up,
        cleaning them before each scenario, healing faults.
        """
        for reporter in self.config.reporters:
            if isinstance(reporter, AbstractSummaryReporter):
                reporter.duration = time.monotonic() - self._started
        super().close()


class LivingListener(AllureListener):  # type: ignore[misc]
    """Turns what behave tells about a scenario into an Allure result."""

    current_scenario_uuid: str | None
    current_step_uuid: str | None

    def __init__(self, config: Configuration) -> None:
        super().__init__(config)
        self._moves: list[str] = []

    @allure_commons.hookimpl
    def attach_data(
        self, body: str | bytes, name: str, attachment_type: Any, extension: str | None
    ) -> None:
        """Keep a picture of a move for the description, too: Allure folds all attachments."""
        super().attach_data(body, name, attachment_type, extension)
        if extension == attachments.MOVE and isinstance(body, bytes):
            self._moves.append(_inlined(name, body))

    def start_scenario(self, scenario: Scenario) -> None:
        """Open the result, with the place in the documentation that its Rule and tags give it."""
        self.steps.clear()  # of a scenario that never ran; they would show up in this one
        super().start_scenario(scenario)
        result = self.logger.get_test(self.current_scenario_uuid)
        rule = rule_of(scenario)
        if rule is not None:
            result.titlePath = [*result.titlePath, rule.name]
            result.links.extend(x for x in map(parse_tag, rule.tags) if isinstance(x, Link))
        result.name = name_of(scenario)
        result.fullName = full_name_of(scenario)
        result.testCaseId = md5(result.fullName)
        result.historyId = history_id_of(scenario)
        result.labels = labels_of(scenario)
        result.description = _describe(scenario, rule)
        self._moves.clear()

    def stop_scenario(self, scenario: Scenario) -> None:
        """Close the result with behave's verdict, hooks and cleanups included.

        A scenario that was not chosen (tags, name, line) has no result. One that skipped itself
        says why, and has.
        """
        if scenario.status is BehaveStatus.skipped and not scenario.skip_reason:
            self.logger.drop_test(self.current_scenario_uuid)
        else:
            self.flush_steps()
            result = self.logger.get_test(self.current_scenario_uuid)
            result.stop = now()
            result.description = "\n\n".join(filter(None, [*self._moves, result.description]))
            for attachment in (a for step in result.steps for a in step.attachments):
                attachment.name = STEP_ARGUMENTS.get(attachment.name, attachment.name)
            result.status, result.statusDetails = _verdict(scenario)
            self.logger.close_test(self.current_scenario_uuid)
            self.group_context.append_test(self.current_scenario_uuid)
        self.group_context.exit()
        self.current_step_uuid = None
        self.current_scenario_uuid = None

    def report_if_prevented(self, scenario: Scenario) -> None:
        """Give a scenario that a failing hook of its Feature or Rule kept from running a result."""
        chosen = scenario.should_run(self.behave_config)
        if chosen and scenario.status is BehaveStatus.untested and _failed_hooks(scenario):
            self.start_scenario(scenario)
            self.stop_scenario(scenario)


def _verdict(scenario: Scenario) -> tuple[str, StatusDetails | None]:
    """Return the report's verdict on a scenario: its steps first, then hooks and cleanups."""
    if scenario.status is BehaveStatus.skipped:
        return Status.SKIPPED, StatusDetails(message=scenario.skip_reason)
    captured = scenario.captured.make_report() if scenario.captured else ""
    errors = _failed_hooks(scenario)
    if scenario.status is BehaveStatus.cleanup_error:
        printed = [line for line in captured.splitlines() if line.startswith(CLEANUP_ERROR)]
        errors.extend(printed or [f"{CLEANUP_ERROR}: see what behave printed"])
    if not errors:
        return scenario_status(scenario), scenario_status_details(scenario)
    status = Status.BROKEN
    if any(step.status.is_failure() for step in scenario.all_steps):
        status = Status.FAILED
        errors.insert(0, scenario_status_details(scenario).message)
    return status, StatusDetails(message="\n".join(errors), trace=captured)


def _failed_hooks(scenario: Scenario) -> list[str]:
    """The errors of the scenario's own hooks and of those around it, innermost first."""
    return [
        str(part.error_message)
        for part in (scenario, *_ancestors(scenario))
        if part.hook_failed and part.error_message
    ]


def _ancestors(scenario: Scenario) -> Iterator[Any]:
    """The Rule, if any, and the Feature of a scenario (an outline between them has no hooks)."""
    rule = rule_of(scenario)
    if rule is not None:
        yield rule
    yield scenario.feature


def _describe(scenario: Scenario, rule: Rule | None) -> str:
    """Markdown: what is written under the scenario, its Rule and its Feature."""
    parts = ["\n".join(scenario.description)]
    if rule is not None and rule.description:
        parts.append("\n".join([f"**Rule: {rule.name}**", "", *rule.description]))
    if scenario.feature.description:
        parts.append("\n".join([f"*{scenario.feature.name}*", "", *scenario.feature.description]))
    return "\n\n".join(part for part in parts if part.strip())


def _inlined(name: str, png: bytes) -> str:
    """A picture in Markdown, whole."""
    return f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})"
