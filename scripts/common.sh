# Sourced by the other scripts: the root of the repository, messages, and the Rust to use.
set -euo pipefail
umask 022
export LC_ALL=C.UTF-8

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
min_rust=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)

# Where messages are read by people, headings are bold.
if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

say() { printf '%s\n' "$*" >&2; }
heading() { printf '%s== %s%s\n' "$bold" "$*" "$plain" >&2; }
fail() {
    printf '%serror:%s %s\n' "$bold" "$plain" "$1" >&2
    [ -z "${2:-}" ] || printf '\nhint: %s\n' "$2" >&2
    exit "${3:-1}"
}

# Puts a Rust on the PATH where it is installed but not found: rustup's folder, or the versioned folders of Ubuntu.
find_rust() {
    local folder
    rust_is_new_enough && return
    for folder in "${CARGO_HOME:-${HOME:-/nonexistent}/.cargo}/bin" $(printf '%s\n' /usr/lib/rust-*/bin | sort -rV); do
        [ -x "$folder/rustc" ] && [ -x "$folder/cargo" ] || continue
        if PATH="$folder:$PATH" rust_is_new_enough; then
            PATH="$folder:$PATH"
            export PATH
            return
        fi
    done
    return 1
}

rust_version() { rustc --version 2>/dev/null | awk '{ print $2 }'; }

rust_is_new_enough() {
    local have
    command -v cargo >/dev/null && have=$(rust_version) && [ -n "$have" ] || return 1
    [ "$(printf '%s\n' "$min_rust" "$have" | sort -V | head -n 1)" = "$min_rust" ]
}

# The folder cargo builds into.
target_folder() { cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'; }

# Writes so many generated areas of 5 to 11 corners over 30 km with four fields, in EPSG:25832, to a GeoPackage.
make_areas() { # count file
    # A feature on each line, in a file: GDAL holds a whole collection in memory, and reads lines twice.
    python3 - "$1" >"$2.geojsonl" <<'PY'
import json, math, random, sys
chance = random.Random(7)
kinds = ["Wohnen", "Gewerbe", "Garage", "Schule", "Halle"]
out = sys.stdout
count = int(sys.argv[1])
for number in range(count):
    east, north = 550_000 + chance.random() * 30_000, 5_940_000 + chance.random() * 30_000
    corners, radius = chance.randint(4, 10), 4 + chance.random() * 12
    ring = [[round(east + radius * (0.7 + 0.3 * chance.random()) * math.cos(math.tau * k / corners), 3),
             round(north + radius * (0.7 + 0.3 * chance.random()) * math.sin(math.tau * k / corners), 3)] for k in range(corners)]
    ring.append(ring[0])
    feature = {"type": "Feature", "properties": {"nr": number, "name": f"Fläche {number}", "art": chance.choice(kinds),
               "hoehe": round(3 + chance.random() * 20, 2)}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    out.write(json.dumps(feature, separators=(",", ":")) + "\n")
PY
    ogr2ogr -q -f GPKG "$2" "GeoJSONSeq:$2.geojsonl" -nln areas -a_srs EPSG:25832 -lco FID=id -gt 200000
    rm "$2.geojsonl"
}
