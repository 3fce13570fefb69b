"""Write merged coverage as XML in the format of cocotb-coverage.

Its own ``merge_coverage`` reads the file, so coverage of a user's benches and ours can be put into
one database.
"""

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

__all__ = ["coverage_xml"]


def coverage_xml(units: Sequence[tuple[str, Mapping[str, int]]]) -> str:
    """Return XML with a cover point for each unit, whose bins are the unit's coverage points.

    Args:
        units: Name of each unit, and the hits of its points by name.
    """
    top = ElementTree.Element("top", abs_name="top")
    size = covered = 0
    for name, hits in units:
        identifier = name.replace("/", "_")
        hit = sum(count > 0 for count in hits.values())
        size, covered = size + len(hits), covered + hit
        point = ElementTree.SubElement(
            top,
            identifier,
            {"abs_name": f"top.{identifier}", "weight": "1", "at_least": "1"}
            | _totals(len(hits), hit),
        )
        for index, (label, count) in enumerate(hits.items()):
            ElementTree.SubElement(
                point, f"bin{index}", bin=label, hits=str(count),
                abs_name=f"top.{identifier}.bin{index}",
            )  # fmt: skip
    for key, value in _totals(size, covered).items():
        top.set(key, value)
    ElementTree.indent(top)
    return ElementTree.tostring(top, encoding="unicode", xml_declaration=True) + "\n"


def _totals(size: int, covered: int) -> dict[str, str]:
    percentage = round(100 * covered / size, 2) if size else 100.0
    return {"size": str(size), "coverage": str(covered), "cover_percentage": str(percentage)}
