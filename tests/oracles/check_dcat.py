"""Checks a DCAT-AP.de 3.0 catalogue with the official SHACL shapes, and that two files hold the same statements.

usage: check_dcat.py SHAPES FILE.ttl SAME.rdf      prints JSON
"""

import json
import pathlib
import sys

from pyshacl import validate
from rdflib import DCAT, RDF, SH, Graph, URIRef
from rdflib.compare import isomorphic


def findings(data, shapes):
    graph = Graph()
    for shape in shapes:
        graph.parse(shape)
    _, report, _ = validate(data, shacl_graph=graph, advanced=True, meta_shacl=False, allow_warnings=True)
    found = []
    for result in report.subjects(RDF.type, SH.ValidationResult):
        level = str(report.value(result, SH.resultSeverity)).rsplit("#", 1)[1]
        message = str(report.value(result, SH.resultMessage))
        found.append((level, str(report.value(result, SH.focusNode)), str(report.value(result, SH.resultPath)), message))
    return sorted(found)


def main(shapes, turtle, xml):
    shapes = pathlib.Path(shapes)
    data = Graph().parse(turtle)
    german = shapes / "dcat-ap-de-3.0"
    rules = [shapes / "dcat-ap-3.0" / "dcat-ap-SHACL.ttl"]
    rules += [german / name for name in ("dcat-ap-SHACL-DE.ttl", "dcat-ap-de-deprecated.ttl", "dcat-ap-spec-german-additions.ttl")]
    violations = [finding for finding in findings(data, rules) if finding[0] in ("Violation", "Warning")]
    # The shapes for high-value datasets take every dataset for one: only those that say so count. They ask for the classes of linked
    # vocabularies, which are not loaded here.
    category, legislation = (URIRef(f"http://data.europa.eu/r5r/{name}") for name in ("hvdCategory", "applicableLegislation"))
    marked = {str(thing) for name in (category, legislation) for thing in data.subjects(name)}
    found = findings(data, [shapes / "dcat-ap-3.0" / "hvd-SHACL.ttl"])
    hvd = [f for f in found if f[0] == "Violation" and f[1] in marked and "does not have class" not in f[3]]
    print(json.dumps({
        "violations": violations,
        "hvd": hvd,
        "marked": len(marked),
        "same": isomorphic(data, Graph().parse(xml, format="xml")),
        "datasets": len(list(data.subjects(RDF.type, DCAT.Dataset))),
        "services": len(list(data.subjects(RDF.type, DCAT.DataService))),
        "distributions": len(list(data.subjects(RDF.type, DCAT.Distribution))),
    }))


main(*sys.argv[1:])
