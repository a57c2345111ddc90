"""Opens the package for QField with QGIS and draws it.

    python3 open_qfield.py PACKAGE.zip FOLDER [ORTHOPHOTO.tif ...]

Unpacks the package into FOLDER, reads the project as QGIS does, and prints one JSON object: layers, relations, forms, value lists, what
a device's relations hold. Draws `map.png` (all layers), `site.png` (the largest site) and `photo.png` (the orthophotos alone, as the package
has them) beside `source.png` (the same extent out of the original images), and says how far apart the last two are.
"""

import json
import os
import sqlite3
import sys
import zipfile

os.environ["QT_QPA_PLATFORM"] = "offscreen"
from qgis.core import (  # noqa: E402
    QgsApplication,
    QgsAttributeEditorElement,
    QgsExpression,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsFeatureRequest,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QSize  # noqa: E402
from qgis.PyQt.QtGui import QColor  # noqa: E402


def draw(layers, extent, path, crs, side=500):
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(crs)
    settings.setBackgroundColor(QColor(255, 255, 255))
    settings.setOutputSize(QSize(side, round(side * extent.height() / extent.width())))
    settings.setExtent(extent)
    settings.setTransformContext(QgsProject.instance().transformContext())
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    assert not job.errors(), [error.message for error in job.errors()]
    image = job.renderedImage()
    assert image.save(path)
    return image


def apart(one, other):
    """Mean difference of a colour, 0 to 255, of pictures made a hundred pixels wide: what differs is where things lie."""
    one, other = one.scaledToWidth(100, 1), other.scaledToWidth(100, 1)
    total = count = 0
    for y in range(min(one.height(), other.height())):
        for x in range(100):
            a, b = QColor(one.pixel(x, y)), QColor(other.pixel(x, y))
            total += abs(a.red() - b.red()) + abs(a.green() - b.green()) + abs(a.blue() - b.blue())
            count += 3
    return total / count


def elements(container):
    for child in container.children():
        if child.type() == QgsAttributeEditorElement.AeTypeContainer:
            yield child.name(), [(kind(inner), inner.name()) for inner in child.children()]


def kind(element):
    return "relation" if element.type() == QgsAttributeEditorElement.AeTypeRelation else "field"


def main(package, folder, photos):
    with zipfile.ZipFile(package) as archive:
        names = sorted(archive.namelist())
        assert archive.testzip() is None
        archive.extractall(folder)
    # Kept by name: the library needs it to live.
    application = QgsApplication([], False)
    application.initQgis()
    project = QgsProject.instance()
    assert project.read(os.path.join(folder, "spielplaetze.qgs")), project.error()
    layers, told = project.mapLayers(), {}
    for name, layer in sorted(layers.items()):
        about = {"valid": layer.isValid(), "title": layer.name(), "crs": layer.crs().authid(), "source": layer.publicSource()}
        assert os.path.realpath(layer.publicSource().split("|")[0]).startswith(os.path.realpath(folder)), layer.publicSource()
        if layer.type() == layer.VectorLayer:
            form = layer.editFormConfig()
            fields = layer.fields()
            about["rows"] = layer.featureCount()
            about["read_only"] = layer.readOnly()
            about["geometry"] = QgsWkbTypes.geometryDisplayString(layer.geometryType())
            about["layout"] = int(form.layout())
            about["tabs"] = dict(elements(form.invisibleRootContainer()))
            # A name in the form that is no field of the table would be left out without a word.
            for tab in about["tabs"].values():
                for what, entry in tab:
                    assert what == "relation" or fields.indexOf(entry) >= 0, (name, entry)
                    assert what == "field" or project.relationManager().relation(entry).isValid(), (name, entry)
            about["aliases"] = {field.name(): field.alias() for field in fields}
            about["fixed"] = sorted(field.name() for index, field in enumerate(fields) if form.readOnly(index))
            about["widgets"] = {field.name(): field.editorWidgetSetup().type() for field in fields}
            about["values"] = {
                field.name(): {value: text for entry in field.editorWidgetSetup().config()["map"] for text, value in entry.items()}
                for field in fields
                if field.editorWidgetSetup().type() == "ValueMap"
            }
            about["defaults"] = {
                field.name(): layer.defaultValueDefinition(index).expression()
                for index, field in enumerate(fields)
                if layer.defaultValueDefinition(index).isValid()
            }
            context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
            for expression in [layer.displayExpression(), *about["defaults"].values()]:
                parsed = QgsExpression(expression)
                assert not parsed.hasParserError(), (name, expression, parsed.parserErrorString())
                feature = next(layer.getFeatures(QgsFeatureRequest().setLimit(1)), None)
                if feature is not None:
                    context.setFeature(feature)
                    parsed.evaluate(context)
                    assert not parsed.hasEvalError(), (name, expression, parsed.evalErrorString())
            if layer.isSpatial():
                about["renderer"] = layer.renderer().type()
                about["symbols"] = sorted(item.label() for item in layer.renderer().legendSymbolItems())
        told[name] = about

    relations = project.relationManager().relations()
    held = {
        name: {
            "valid": relation.isValid(),
            "parent": relation.referencedLayerId(),
            "child": relation.referencingLayerId(),
            # Of all parents together: what QGIS finds must be what the tables have.
            "rows": sum(
                sum(1 for _ in relation.getRelatedFeatures(feature)) for feature in relation.referencedLayer().getFeatures()
            ) if relation.isValid() else 0,
        }
        for name, relation in relations.items()
    }
    base = sqlite3.connect(os.path.join(folder, "spielplaetze.gpkg"))
    for name, relation in relations.items():
        (child, parent), = relation.fieldPairs().items()
        tables = [layer.publicSource().split("layername=")[1] for layer in (relation.referencingLayer(), relation.referencedLayer())]
        query = f'SELECT count(*) FROM "{tables[0]}" c JOIN "{tables[1]}" p ON p."{parent}" = c."{child}"'
        held[name]["rows_in_table"] = base.execute(query).fetchone()[0]
    base.close()

    # What a tablet does: a change is saved, and the table counts it.
    devices = layers["spielgeraet_tabelle"]
    row = next(devices.getFeatures())
    before = row["row_version"]
    devices.startEditing()
    assert devices.changeAttributeValue(row.id(), devices.fields().indexOf("baujahr"), 1999)
    assert devices.commitChanges(), devices.commitErrors()
    devices.dataProvider().reloadData()
    after = devices.getFeature(row.id())
    counted = [before, after["row_version"], after["baujahr"]]

    crs = project.crs()
    view = project.viewSettings().defaultViewExtent()
    order = [node.layer() for node in project.layerTreeRoot().findLayers() if node.isVisible() and node.layer().isSpatial()]
    picture = draw(order, QgsRectangle(view), os.path.join(folder, "map.png"), crs)
    sites = layers["spielplatz_tabelle"]
    largest = max(sites.getFeatures(), key=lambda feature: feature.geometry().area())
    extent = largest.geometry().boundingBox()
    extent.grow(15)
    site = draw(order, extent, os.path.join(folder, "site.png"), crs)
    colours = {f"#{pixel & 0xFFFFFF:06x}" for y in range(site.height()) for pixel in {site.pixel(x, y) for x in range(site.width())}}
    answer = {
        "files": names,
        "crs": crs.authid(),
        "title": project.title(),
        "snapping": project.snappingConfig().enabled(),
        "layers": told,
        "relations": held,
        "row_version": counted,
        "map": [picture.width(), picture.height()],
        "lights": [light for light in ["#8c8c8c", "#2ea043", "#f0b90b", "#d72626"] if light in colours],
    }
    if photos:
        shown = draw([layers["luftbild_kacheln"]], extent, os.path.join(folder, "photo.png"), crs)
        originals = [QgsRasterLayer(photo, "source") for photo in photos]
        assert all(original.isValid() for original in originals)
        source = draw(originals, extent, os.path.join(folder, "source.png"), crs)
        elsewhere = QgsRectangle(extent)
        elsewhere.setXMinimum(extent.xMinimum() + extent.width() / 4)
        elsewhere.setXMaximum(extent.xMaximum() + extent.width() / 4)
        moved = draw(originals, elsewhere, os.path.join(folder, "moved.png"), crs)
        answer["apart"] = apart(shown, source)
        answer["apart_when_moved"] = apart(shown, moved)
    print(json.dumps(answer, ensure_ascii=False), flush=True)
    # Python tears the library's objects down in any order, which it does not bear.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
