// Words and numbers as they are read in Germany.

const DATE = new Intl.DateTimeFormat("de-DE", { day: "2-digit", month: "2-digit", year: "numeric", timeZone: "Europe/Berlin" });
const TIME = new Intl.DateTimeFormat("de-DE", { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: "Europe/Berlin" });
const NUMBER = new Intl.NumberFormat("de-DE", { maximumFractionDigits: 1, minimumFractionDigits: 1 });
const WHOLE = new Intl.NumberFormat("de-DE", { maximumFractionDigits: 0 });
const WINDS = ["N", "NO", "O", "SO", "S", "SW", "W", "NW"];

export function moment(text: string | null): string {
    if (!text) return "unbekannt";
    const date = new Date(text);
    return `${DATE.format(date)}, ${TIME.format(date)}`;
}

export function day(text: string): string {
    return DATE.format(new Date(text));
}

export function clock(text: string): string {
    return TIME.format(new Date(text)).slice(0, 5);
}

/** A place on a route as road engineers write it: kilometres + metres. */
export function station(metres: number): string {
    const whole = Math.max(0, Math.round(metres));
    return `${Math.floor(whole / 1000)}+${String(whole % 1000).padStart(3, "0")}`;
}

export function length(metres: number): string {
    return metres < 1000 ? `${WHOLE.format(metres)} m` : `${NUMBER.format(metres / 1000)} km`;
}

export function speed(kmh: number | null): string {
    return kmh === null ? "unbekannt" : `${WHOLE.format(kmh)} km/h`;
}

export function direction(azimuth: number): string {
    return `${WHOLE.format(azimuth)}° ${WINDS[Math.round(azimuth / 45) % 8]}`;
}

export function place(easting: number, northing: number): string {
    return `${WHOLE.format(easting)} / ${WHOLE.format(northing)}`;
}

export function system(crs: string): string {
    return crs.replace(/^EPSG:258(3[1-3])$/, "UTM $1").replace("EPSG:", "EPSG ");
}

/** Licences by their short names. */
const LICENCES: Record<string, [string, string]> = {
    "dl-by-de/2.0": ["Datenlizenz Deutschland – Namensnennung 2.0", "https://www.govdata.de/dl-de/by-2-0"],
    "dl-zero-de/2.0": ["Datenlizenz Deutschland – Zero 2.0", "https://www.govdata.de/dl-de/zero-2-0"],
    "cc-by/4.0": ["CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/"],
    "cc-zero": ["CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"],
};

export function licence(code: string): [string, string | null] {
    return LICENCES[code] ?? [code, null];
}
