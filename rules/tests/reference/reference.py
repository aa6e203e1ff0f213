"""pySigma as the reference of the rule engine.

Standard input has a line of JSON for each task:

    {"events": [...]}                      events for the tasks that follow
    {"name", "rule", "events", "lists"}    a rule as YAML; with `events` of its own, or those before; `lists`
                                           are the values of placeholders

Standard output has a line for each rule:

    {"name": ..., "error": null or text, "matches": [numbers of events, from 0]}

The rules' text, their modifiers and their conditions are read by pySigma alone. What it leaves to the
programs behind it, which is how a test looks at an event, is decided here, after the Sigma specification:

- A name with dots is a member of that whole name, or else a path. Lists on the way are entered.
- Of a list any element may pass, or the list as compact JSON. An object is its compact JSON.
- Text is compared without case, unless it is `cased` or a regular expression. A regular expression is
  sought anywhere; under `startswith`, `endswith` and `contains` pySigma opens it, and it must be the whole.
- A number, true or false is compared as text where the other side is text.
- `null` is absent or null. `exists` asks for the name alone, so a null exists.
- Keywords are sought within every text of the event.
- Parts of times are in UTC, weeks are those of ISO 8601.
"""

import datetime
import ipaddress
import json
import re
import sys

import sigma.types as types
from sigma.collection import SigmaCollection
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.modifiers import SigmaContainsModifier, SigmaEndswithModifier, SigmaStartswithModifier
from sigma.policy import default_policy
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import ValueListPlaceholderTransformation
from sigma.rule import SigmaDetection

MAX_DEPTH = 64


class Refused(Exception):
    """A rule that parses and has no meaning."""


# Events -----------------------------------------------------------------------------------------


class Whole(int):
    """A whole number that knows how it was written."""


class Broken(float):
    """A number with a fraction or an exponent that knows how it was written."""


def written(kind):
    def parse(text):
        number = kind(text)
        number.text = text
        return number

    return parse


def compact(value):
    if isinstance(value, dict):
        members = (f"{json.dumps(name, ensure_ascii=False)}:{compact(inner)}" for name, inner in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "null" if value is None else text_of(value)


def text_of(value):
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return compact(value)
    return value.text


class Event:
    def __init__(self, value):
        self.value = value
        self.found = {}
        self.words = None

    def field(self, name):
        """What is at a name, nulls too; empty where there is no such name."""
        found = self.found.get(name)
        if found is None:
            found = self.found[name] = at(self.value, name, 0)
        return found

    def leaves(self, name):
        """The values to test: lists are followed by their elements, nulls left out."""
        key = (name,)
        leaves = self.found.get(key)
        if leaves is None:
            leaves = self.found[key] = []
            for value in self.field(name):
                spread(value, leaves, 0)
        return leaves

    def texts(self):
        if self.words is None:
            self.words = []
            collect(self.value, self.words, 0)
        return self.words


def at(value, path, depth):
    if depth > MAX_DEPTH:
        return []
    if isinstance(value, list):
        return [found for element in value for found in at(element, path, depth + 1)]
    if not isinstance(value, dict):
        return []
    if path in value:
        return [value[path]]
    dot = path.rfind(".")
    while dot > 0:
        if path[:dot] in value:
            found = at(value[path[:dot]], path[dot + 1 :], depth + 1)
            if found:
                return found
        dot = path.rfind(".", 0, dot)
    return []


def spread(value, leaves, depth):
    if value is None or depth > MAX_DEPTH:
        return
    leaves.append(value)
    if isinstance(value, list):
        for element in value:
            spread(element, leaves, depth + 1)


def collect(value, words, depth):
    if depth > MAX_DEPTH:
        return
    if isinstance(value, str):
        words.append(value)
    elif isinstance(value, dict):
        for inner in value.values():
            collect(inner, words, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            collect(inner, words, depth + 1)


# Tests of one value -------------------------------------------------------------------------------


def text_test(parts, cased):
    """A test of text from the parts of a SigmaString."""
    for part in parts:
        if isinstance(part, types.Placeholder):
            raise Refused(f"the placeholder %{part.name}% has no values")
    if not any(isinstance(part, types.SpecialChars) for part in parts):
        wanted = "".join(parts)
        if cased:
            return lambda text: text == wanted
        wanted = wanted.lower()
        return lambda text: text.lower() == wanted
    star = types.SpecialChars.WILDCARD_MULTI
    pattern = "".join(
        re.escape(part) if isinstance(part, str) else ".*" if part == star else "." for part in parts
    )
    compiled = re.compile(pattern, re.DOTALL | (0 if cased else re.IGNORECASE))
    return lambda text: compiled.fullmatch(text) is not None


def regex_test(value):
    for part in value.regexp.s:
        if isinstance(part, types.Placeholder):
            raise Refused(f"the placeholder %{part.name}% has no values")
    flags = 0
    for flag in value.flags:
        flags |= value.sigma_to_python_flags[flag]
    engine = (value.policy or default_policy).regex_engine
    compiled = engine.compile(str(value.regexp), flags)
    if getattr(value, "is_shaped", False):
        return lambda text: compiled.fullmatch(text) is not None
    return lambda text: compiled.search(text) is not None


NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def number_of(value):
    """The number that a value of an event is, also as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return float(value) if re.search("[.eE]", value) else int(value)
    return None


def number_test(value):
    wanted, text = value.number, str(value.number).lower()

    def test(found):
        if isinstance(found, (int, float)) and not isinstance(found, bool):
            return found == wanted
        return text_of(found).lower() == text

    return test


def compare_test(value):
    op, wanted = types.CompareOperators, value.number.number
    by = {
        op.LT: lambda found: found < wanted,
        op.LTE: lambda found: found <= wanted,
        op.GT: lambda found: found > wanted,
        op.GTE: lambda found: found >= wanted,
    }[value.op]
    if isinstance(value.number, types.SigmaTimestampPart):
        read = lambda found: time_part(found, value.number.timestamp_part)
    else:
        read = number_of

    def test(found):
        number = read(found)
        return number is not None and by(number)

    return test


def time_part(value, part):
    if not isinstance(value, str):
        return None
    try:
        time = datetime.datetime.fromisoformat(value)
    except ValueError:
        return None
    if time.tzinfo is None:
        time = time.replace(tzinfo=datetime.timezone.utc)
    time = time.astimezone(datetime.timezone.utc)
    parts = types.TimestampPart
    return {
        parts.MINUTE: time.minute,
        parts.HOUR: time.hour,
        parts.DAY: time.day,
        parts.WEEK: time.isocalendar().week,
        parts.MONTH: time.month,
        parts.YEAR: time.year,
    }[part]


def cidr_test(value):
    network = value.network

    def test(found):
        try:
            return ipaddress.ip_address(text_of(found)) in network
        except ValueError:
            return False

    return test


def value_test(value):
    """A test of one value that is not null."""
    if isinstance(value, types.SigmaString):
        test = text_test(value.s, isinstance(value, types.SigmaCasedString))
        return lambda found: test(text_of(found))
    if isinstance(value, types.SigmaRegularExpression):
        test = regex_test(value)
        return lambda found: test(text_of(found))
    if isinstance(value, types.SigmaTimestampPart):
        return lambda found: time_part(found, value.timestamp_part) == value.number
    if isinstance(value, types.SigmaNumber):
        return number_test(value)
    if isinstance(value, types.SigmaBool):
        wanted = "true" if value.boolean else "false"
        return lambda found: text_of(found).lower() == wanted
    if isinstance(value, types.SigmaCompareExpression):
        return compare_test(value)
    if isinstance(value, types.SigmaCIDRExpression):
        return cidr_test(value)
    raise Refused(f"no meaning for {type(value).__name__}")


# Tests of an event --------------------------------------------------------------------------------


def field_test(name, value):
    if isinstance(value, types.SigmaExpansion):
        tests = [field_test(name, inner) for inner in value.values]
        return lambda event: any(test(event) for test in tests)
    if isinstance(value, types.SigmaNull):
        return lambda event: all(found is None for found in event.field(name))
    if isinstance(value, types.SigmaExists):
        return lambda event: bool(event.field(name)) == value.exists
    if isinstance(value, types.SigmaFieldReference):
        return reference_test(name, value)
    test = value_test(value)
    return lambda event: any(test(found) for found in event.leaves(name))


def reference_test(name, value):
    def one(found, other):
        found, other = text_of(found).lower(), text_of(other).lower()
        if value.starts_with and value.ends_with:
            return other in found
        if value.starts_with:
            return found.startswith(other)
        return found.endswith(other) if value.ends_with else found == other

    return lambda event: any(
        one(found, other) for found in event.leaves(name) for other in event.leaves(value.field)
    )


def keyword_test(value):
    if isinstance(value, types.SigmaExpansion):
        tests = [keyword_test(inner) for inner in value.values]
        return lambda event: any(test(event) for test in tests)
    if isinstance(value, types.SigmaRegularExpression):
        test = regex_test(value)
    elif isinstance(value, (types.SigmaString, types.SigmaNumber, types.SigmaBool)):
        if isinstance(value, types.SigmaString):
            parts = value.s
        else:
            parts = [str(value).lower()]
        if not getattr(value, "is_shaped", False):
            star = [types.SpecialChars.WILDCARD_MULTI]
            parts = star + parts + star
        test = text_test(parts, isinstance(value, types.SigmaCasedString))
    else:
        raise Refused(f"no keyword can be {type(value).__name__}")
    return lambda event: any(test(text) for text in event.texts())


def condition_test(node):
    """A test of an event from pySigma's tree, its searches put in."""
    if isinstance(node, (ConditionAND, ConditionOR, ConditionNOT)):
        tests = [condition_test(argument) for argument in node.args]
        if isinstance(node, ConditionNOT):
            (test,) = tests
            return lambda event: not test(event)
        if isinstance(node, ConditionAND):
            return lambda event: all(test(event) for test in tests)
        return lambda event: any(test(event) for test in tests)
    if isinstance(node, ConditionFieldEqualsValueExpression):
        return field_test(node.field, node.value)
    if isinstance(node, ConditionValueExpression):
        return keyword_test(node.value)
    raise Refused(f"no meaning for {type(node).__name__}")


# Rules --------------------------------------------------------------------------------------------


def mark_shapes(detection):
    """Notes on values how they were opened: the tree does not say."""
    for item in detection.detection_items:
        if isinstance(item, SigmaDetection):
            mark_shapes(item)
            continue
        ends = (SigmaStartswithModifier, SigmaEndswithModifier)
        for value in item.value:
            for inner in value.values if isinstance(value, types.SigmaExpansion) else [value]:
                shapes = ends
                if isinstance(inner, types.SigmaRegularExpression):
                    shapes += (SigmaContainsModifier,)
                if isinstance(inner, (types.SigmaString, types.SigmaRegularExpression)):
                    inner.is_shaped = any(shape in item.modifiers for shape in shapes)


def rule_test(rule, pipeline):
    if pipeline is not None:
        pipeline.apply(rule)
    for detection in rule.detection.detections.values():
        mark_shapes(detection)
    tests = [condition_test(condition.parsed) for condition in rule.detection.parsed_condition]
    return lambda event: any(test(event) for test in tests)


def answer(task, events):
    pipeline = None
    if task.get("lists"):
        items = [ProcessingItem(ValueListPlaceholderTransformation())]
        pipeline = ProcessingPipeline(items=items, vars=task["lists"])
    rules = SigmaCollection.from_yaml(task["rule"]).rules
    tests = [rule_test(rule, pipeline) for rule in rules]
    return [number for number, event in enumerate(events) if any(test(event) for test in tests)]


def main():
    shared = []
    for line in sys.stdin:
        task = json.loads(line, parse_int=written(Whole), parse_float=written(Broken))
        events = [Event(value) for value in task["events"]] if "events" in task else shared
        if "rule" not in task:
            shared = events
            continue
        said = {"name": task["name"], "error": None, "matches": []}
        try:
            said["matches"] = answer(task, events)
        except Exception as error:  # What it refuses is an answer, too.
            said["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(said), flush=True)


main()
