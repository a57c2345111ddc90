// Validates MapLibre styles with the library of their specification: node validate_style.mjs STYLE.json ...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { validateStyleMin } = createRequire(import.meta.url)("@maplibre/maplibre-gl-style-spec");
let wrong = 0;
for (const path of process.argv.slice(2)) {
  const style = JSON.parse(readFileSync(path, "utf8"));
  for (const error of validateStyleMin(style)) {
    wrong += 1;
    console.log(`${path}: ${error.message}`);
  }
  // The check itself is checked: a layer of a source that is not there must be told.
  const broken = { ...style, layers: style.layers.map((layer) => ({ ...layer, source: "nowhere" })) };
  if (validateStyleMin(broken).length === 0) {
    wrong += 1;
    console.log(`${path}: a broken style passes`);
  }
  console.log(`${path}: ${style.layers.length} layers`);
}
process.exit(wrong === 0 ? 0 : 1);
