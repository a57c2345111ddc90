// Places on the map: Web Mercator, scaled so that lengths near the survey are metres.

export type Point = [number, number];

const RADIUS = 6378137;

export class Plane {
    private readonly scale: number;

    constructor(latitude: number) {
        this.scale = Math.cos((latitude * Math.PI) / 180);
    }

    point(lon: number, lat: number): Point {
        const y = Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360));
        return [((lon * Math.PI) / 180) * RADIUS * this.scale, y * RADIUS * this.scale];
    }

    line(coordinates: number[][]): Point[] {
        return coordinates.map(([lon, lat]) => this.point(lon ?? 0, lat ?? 0));
    }
}

/** Distance of a place from a line. */
export function distance(place: Point, line: Point[]): number {
    let best = Infinity;
    for (let i = 0; i < line.length; i++) {
        const [ax, ay] = line[Math.max(0, i - 1)]!;
        const [bx, by] = line[i]!;
        const [dx, dy] = [bx - ax, by - ay];
        const length = dx * dx + dy * dy;
        const along = length > 0 ? Math.min(1, Math.max(0, ((place[0] - ax) * dx + (place[1] - ay) * dy) / length)) : 0;
        best = Math.min(best, Math.hypot(place[0] - ax - along * dx, place[1] - ay - along * dy));
    }
    return best;
}

/** Bearing from one place to another, degrees clockwise from north. */
export function bearing(from: { lon: number; lat: number }, to: { lon: number; lat: number }): number {
    const east = (to.lon - from.lon) * Math.cos((from.lat * Math.PI) / 180);
    return (Math.atan2(east, to.lat - from.lat) * 180) / Math.PI;
}
