"""Loads SLDs with QGIS onto the layer that they are for, and says how each feature is drawn.

    python3 load_styles.py THEME_FOLDER ...

Each folder has `theme.gpkg` and `style.sld`. Prints one JSON object: by folder the renderer's rules, and how many features each draws.
"""

import json
import os
import sys

os.environ["QT_QPA_PLATFORM"] = "offscreen"
from qgis.core import QgsApplication, QgsRenderContext, QgsVectorLayer  # noqa: E402


def rules(layer):
    """Title, colour and number of features of each rule."""
    renderer = layer.renderer()
    if renderer.type() != "RuleRenderer":
        symbol = renderer.symbol()
        return [["", symbol.color().name(), layer.featureCount()]]
    told = renderer.rootRule().children()
    counts = {}
    context = QgsRenderContext()
    context.setExpressionContext(layer.createExpressionContext())
    renderer.startRender(context, layer.fields())
    for feature in layer.getFeatures():
        context.expressionContext().setFeature(feature)
        for key in renderer.legendKeysForFeature(feature, context):
            counts[key] = counts.get(key, 0) + 1
    renderer.stopRender(context)
    return [[rule.label(), rule.symbol().color().name(), counts.get(rule.ruleKey(), 0)] for rule in told]


def main(folders):
    application = QgsApplication([], False)
    application.initQgis()
    answer = {}
    for folder in folders:
        layer = QgsVectorLayer(os.path.join(folder, "theme.gpkg"), "theme", "ogr")
        assert layer.isValid(), folder
        message, loaded = layer.loadSldStyle(os.path.join(folder, "style.sld"))
        assert loaded, (folder, message)
        answer[os.path.basename(folder.rstrip("/"))] = rules(layer)
    print(json.dumps(answer, ensure_ascii=False), flush=True)
    # Python tears the library's objects down in any order, which it does not bear.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
