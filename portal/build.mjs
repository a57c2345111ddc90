// Builds the pages: `npm run build` writes dist/, `node build.mjs FOLDER` writes elsewhere. The same sources and packages give the same bytes.

import { build } from "esbuild";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(process.argv[2] ?? path.join(here, "dist"), "drive");
fs.mkdirSync(out, { recursive: true });

const { metafile } = await build({
    absWorkingDir: here,
    entryPoints: { "drive": "drive/src/main.ts" },
    outdir: out,
    bundle: true,
    minify: true,
    format: "iife",
    target: ["es2022"],
    charset: "utf8",
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
});

// The licences of what went into the bundle, as they ask to be kept with it.
const packages = new Set();
for (const input of Object.keys(metafile.inputs)) {
    const found = input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
    if (found) packages.add(found[1]);
}
const texts = [...packages].sort().map((name) => {
    const folder = path.join(here, "node_modules", name);
    const about = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
    const file = fs.readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const text = fs.readFileSync(path.join(folder, file), "utf8").replace(/\r\n/g, "\n").trim();
    return `${name} ${about.version} (${about.license})\n\n${text}\n`;
});
fs.writeFileSync(path.join(out, "drive.licences.txt"), `drive.js contains:\n\n${texts.join(`\n${"-".repeat(80)}\n\n`)}`);
