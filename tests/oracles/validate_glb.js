// Runs the Khronos glTF validator on every GLB below a folder; errors and warnings are failures.
//
// usage: node validate_glb.js FOLDER

"use strict";

const fs = require("fs");
const path = require("path");
const validator = require("gltf-validator");

function* below(folder) {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
        const name = path.join(folder, entry.name);
        if (entry.isDirectory()) yield* below(name);
        else if (name.endsWith(".glb")) yield name;
    }
}

// Extensions of 3D Tiles that the validator does not know: it says so, which tells nothing about the file.
const IGNORED = ["UNSUPPORTED_EXTENSION"];

async function main(folder) {
    let files = 0;
    let failed = 0;
    let triangles = 0;
    for (const name of below(folder)) {
        files += 1;
        const options = { uri: path.basename(name), maxIssues: 0, ignoredIssues: IGNORED };
        const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(name)), options);
        triangles += report.info.totalTriangleCount;
        if (report.issues.numErrors + report.issues.numWarnings === 0) continue;
        failed += 1;
        for (const issue of report.issues.messages.filter((issue) => issue.severity <= 1)) {
            console.error(`${name}: ${issue.code} ${issue.pointer ?? ""} ${issue.message}`);
        }
    }
    console.log(`${files} GLB with ${triangles} triangles, ${failed} of them not valid`);
    process.exitCode = failed || !files || !triangles ? 1 : 0;
}

main(process.argv[2]);
