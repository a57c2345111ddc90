"""Compares the tables of a conversion with the NAS delivery they came from, read another way: every object once, its attributes as
they stand in the XML, keys with their leading zeros.

    nas_attributes.py DELIVERY.xml FOLDER
"""

import json
import sys
import xml.etree.ElementTree as ET
from collections import Counter

import pyarrow.parquet as pq

HELD = {"featureMember", "member"}


def local(tag):
    return tag.rsplit("}", 1)[-1]


def objects(path):
    """Every object of a stock: class, identifier, element."""
    stack = []
    for event, element in ET.iterparse(path, events=("start", "end")):
        if event == "start":
            stack.append(local(element.tag))
            continue
        stack.pop()
        if stack and stack[-1] in HELD:
            identifier = next((value for name, value in element.attrib.items() if local(name) == "id"), None)
            yield local(element.tag), identifier[:16], element
        if stack and stack[-1] not in HELD and len(stack) < 5:
            element.clear()
        elif local(element.tag) in HELD:
            element.clear()


def leaf(element, *path):
    """Text of the first element at a path of local names; data types in between do not count."""
    for child in element:
        name = local(child.tag)
        if name[0].isupper():
            found = leaf(child, *path)
            if found is not None:
                return found
        elif name == path[0]:
            return (child.text or "").strip() if len(path) == 1 else leaf(child, *path[1:])
    return None


def same(value, element):
    """True when a kept property is what the element says: a text, a reference's last part, or an object of both."""
    if isinstance(value, dict):
        return all(any(same(inner, child) for child in named(element, name)) for name, inner in flat(value))
    reference = next((text for name, text in element.attrib.items() if local(name) == "href"), None)
    if reference is not None:
        return value == (reference[len("urn:adv:oid:"):] if reference.startswith("urn:adv:oid:") else reference.rsplit("/", 1)[-1])
    return value == (element.text or "").strip()


def flat(value):
    for name, inner in value.items():
        for one in inner if isinstance(inner, list) else [inner]:
            yield name, one


def named(element, name):
    for child in element:
        if local(child.tag) == name:
            yield child
        elif local(child.tag)[0].isupper():
            yield from named(child, name)


def rows(folder, table):
    return {row["oid"][:16]: row for row in pq.read_table(f"{folder}/{table}.parquet").drop_columns(["geometry", "bbox"]).to_pylist()}


def main(delivery, folder):
    parcels, buildings, others = rows(folder, "flurstueck"), rows(folder, "gebaeude_bauwerk"), rows(folder, "objekt")
    addresses, points, uses = rows(folder, "adresse"), rows(folder, "flurstueck_punkt"), rows(folder, "nutzung")
    seen, wrong, values = Counter(), [], 0

    def check(oid, what, ours, theirs):
        nonlocal values
        values += 1
        if (ours or None) != (theirs or None):
            wrong.append(f"{oid} {what}: {ours!r} in the table, {theirs!r} in the delivery")

    for kind, oid, element in objects(delivery):
        if oid in parcels:
            row = parcels[oid]
            check(oid, "flstkennz", row["flstkennz"], leaf(element, "flurstueckskennzeichen"))
            check(oid, "landschl", row["landschl"], leaf(element, "gemarkung", "land"))
            check(oid, "gemaschl", row["gemaschl"], leaf(element, "gemarkung", "land") + leaf(element, "gemarkung", "gemarkungsnummer"))
            check(oid, "flur", row["flur"], leaf(element, "flurnummer"))
            check(oid, "flstnrzae", row["flstnrzae"], leaf(element, "flurstuecksnummer", "zaehler"))
            check(oid, "flstnrnen", row["flstnrnen"], leaf(element, "flurstuecksnummer", "nenner"))
            check(oid, "flaeche", row["flaeche"], float(leaf(element, "amtlicheFlaeche")))
            check(oid, "aktualit", row["aktualit"], leaf(element, "lebenszeitintervall", "beginnt")[:10])
        elif oid in buildings:
            row = buildings[oid]
            code = leaf(element, "gebaeudefunktion") or leaf(element, "bauwerksfunktion") or "0000"
            check(oid, "gfkzshh", row["gfkzshh"][-4:], code[-4:].rjust(4, "0"))
            check(oid, "name", row["name"], leaf(element, "name"))
        elif oid in points:
            check(oid, "punktkennung", points[oid]["punktkennung"], leaf(element, "punktkennung"))
        elif oid in uses:
            check(oid, "objektart", uses[oid]["objektart"], kind)
        elif oid in addresses and kind == "AX_LagebezeichnungMitHausnummer":
            row = addresses[oid]
            check(oid, "hausnummer", row["hausnummer"], leaf(element, "hausnummer"))
            lage = leaf(element, "lagebezeichnung", "verschluesselt", "lage")
            if lage:
                check(oid, "strassenschluessel", row["strassenschluessel"][-len(lage):], lage)
        elif oid in others:
            row = others[oid]
            check(oid, "objektart", row["objektart"], kind)
            check(oid, "beginnt", row["beginnt"], leaf(element, "lebenszeitintervall", "beginnt"))
            for name, value in flat(json.loads(row["eigenschaften"])):
                values += 1
                if not any(same(value, child) for child in named(element, name)):
                    wrong.append(f"{oid} {name}: {value!r} is not in the delivery")
        else:
            continue
        seen[kind] += 1
    print(f"{sum(seen.values())} objects of {len(seen)} classes, {values} values compared, {len(wrong)} differ")
    for text in wrong[:20]:
        print("  ", text)
    sys.exit(1 if wrong or not seen else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
