"""Write results of tests as JUnit XML, as servers of continuous integration read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

__all__ = ["JunitCase", "Suite", "junit_xml"]


@dataclass(frozen=True, kw_only=True)
class JunitCase:
    """Test that ran, as a case of a JUnit file."""

    name: str
    classname: str  # what servers group tests by
    seconds: float
    verdict: Literal["passed", "failed", "error", "skipped"] = "passed"
    message: str = ""  # why it did not pass


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Tests that ran together, as a suite of a JUnit file."""

    name: str
    cases: Sequence[JunitCase]
    seconds: float
    properties: Sequence[tuple[str, str]] = ()  # such as ("seed", "1")


def junit_xml(*suites: Suite) -> str:
    """Return the text of a JUnit XML file."""
    root = ElementTree.Element("testsuites")
    for suite in suites:
        verdicts = [case.verdict for case in suite.cases]
        element = ElementTree.SubElement(
            root,
            "testsuite",
            name=suite.name,
            tests=str(len(verdicts)),
            failures=str(verdicts.count("failed")),
            errors=str(verdicts.count("error")),
            skipped=str(verdicts.count("skipped")),
            time=f"{suite.seconds:.3f}",
        )
        if suite.properties:
            properties = ElementTree.SubElement(element, "properties")
            for name, value in suite.properties:
                ElementTree.SubElement(properties, "property", name=name, value=value)
        for case in suite.cases:
            entry = ElementTree.SubElement(
                element,
                "testcase",
                name=case.name,
                classname=case.classname,
                time=f"{case.seconds:.3f}",
            )
            if case.verdict != "passed":
                kind = {"failed": "failure", "error": "error", "skipped": "skipped"}[case.verdict]
                problem = ElementTree.SubElement(
                    entry, kind, message=_printable(case.message.split("\n")[0])
                )
                problem.text = _printable(case.message)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _printable(text: str) -> str:
    """Return text without the control characters that XML cannot hold."""
    return "".join(each for each in text if each in "\n\t" or each >= " ")
