"""A scenario's name, place and identity in the report, from what behave parsed.

The formatter writes them into a result, and the page reads the feature files to find out which
scenarios have no result. Both use these functions, so that the two sides match.
"""

# allure_commons comes with types for half of its functions.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import re
from dataclasses import dataclass

from allure_behave.utils import get_fullname, scenario_history_id, scenario_name
from allure_commons.mapping import labels_set, parse_tag
from allure_commons.model2 import Label
from allure_commons.utils import md5
from behave.model import Rule, Scenario

ROW_NUMBER = re.compile(r" -- @\d+\.\d+ .*$")  # behave adds it to the name of an outline's row
TREE_LABELS = ("epic", "feature", "story")


@dataclass(frozen=True)
class Place:
    """Where a scenario stands in the documentation. A rule is a promise."""

    epic: str
    feature: str
    rule: str
    severity: str


def rule_of(scenario: Scenario) -> Rule | None:
    """The Rule that holds the scenario, or the outline it is a row of."""
    parent = scenario.parent
    while parent is not None and not isinstance(parent, Rule):
        parent = getattr(parent, "parent", None)
    return parent


def name_of(scenario: Scenario) -> str:
    """The name without the number of an outline's row; rows of one name tell what they hold."""
    name = ROW_NUMBER.sub("", str(scenario_name(scenario)))
    row = scenario._row
    if row is not None and name == scenario.parent.name:
        name += f" ({', '.join(row.cells)})"
    return name


def full_name_of(scenario: Scenario) -> str:
    """The name with everything around it; rows of one outline share it."""
    rule = rule_of(scenario)
    if rule is None:
        return str(get_fullname(scenario))
    return f"{scenario.feature.name}: {rule.name}: {scenario.name.rsplit(' -- ')[0]}"


def history_id_of(scenario: Scenario) -> str:
    """The same in every run, and another one for every scenario and row.

    Under a Rule it depends on the Rule, too: names may repeat between Rules.
    """
    if rule_of(scenario) is None:
        return str(scenario_history_id(scenario))
    return str(md5(full_name_of(scenario), scenario.name))


def labels_of(scenario: Scenario) -> list[Label]:
    """The place in the tree epic > feature > story, and all else that tags say; a Rule is a story.

    A tag nearer to the scenario beats one further out.
    """
    rule = rule_of(scenario)
    tags = [*scenario.feature.tags, *(rule.tags if rule is not None else []), *scenario.tags]
    parsed = map(parse_tag, tags)
    labels = [Label("severity", "normal"), *(tag for tag in parsed if isinstance(tag, Label))]
    named = {label.name for label in labels}
    if "feature" not in named:
        labels.append(Label("feature", scenario.feature.name))
    if "story" not in named and rule is not None:
        labels.append(Label("story", rule.name))
    for label in labels:
        if label.name in TREE_LABELS:
            label.value = label.value.replace("_", " ")  # a tag cannot hold spaces
    return list(labels_set(labels))


def place_of(labels: dict[str, str]) -> Place:
    """The place that labels, name -> value, give a scenario."""
    feature = labels.get("feature", "")
    return Place(
        epic=labels.get("epic", "Scenarios"),
        feature=feature,
        rule=labels.get("story", feature),
        severity=labels.get("severity", "normal"),
    )
