// The survey as its files tell it: drive.json with all sequences, one file for each with its frames.

export interface SequenceEntry {
    id: string;
    datetime: [string, string];
    length_m: number;
    frames: number;
    bbox: [number, number, number, number];
    geometry: { type: string; coordinates: number[][] | number[][][] };
    href: string;
}

export interface Drive {
    dataset: string;
    title: string;
    attribution?: string | null;
    licence?: string | null;
    crs: string;
    blurred: boolean;
    length_m: number;
    sequences: SequenceEntry[];
}

export interface Frame {
    id: string;
    datetime: string | null;
    lon: number;
    lat: number;
    easting: number;
    northing: number;
    height_m: number | null;
    azimuth: number;
    pitch: number | null;
    roll: number | null;
    chainage_m: number;
    speed_kmh: number | null;
    thumb: string;
    sd: string;
    hd: string;
}

export interface Street {
    name: string | null;
    covered: boolean;
    lines: number[][][];
}

async function json<T>(address: string): Promise<T> {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`${address}: ${response.status}`);
    return (await response.json()) as T;
}

/** The lines of a geometry; other geometries have none. */
export function lines(geometry: { type: string; coordinates: unknown }): number[][][] {
    if (geometry.type === "LineString") return [geometry.coordinates as number[][]];
    if (geometry.type === "MultiLineString") return geometry.coordinates as number[][][];
    return [];
}

/** Sequences that are kept in memory with their frames. */
const KEPT = 12;

export class Survey {
    private readonly loaded = new Map<string, Promise<Frame[]>>();

    private constructor(readonly drive: Drive) {}

    static async open(): Promise<Survey> {
        return new Survey(await json<Drive>("drive.json"));
    }

    entry(id: string): SequenceEntry | undefined {
        return this.drive.sequences.find((sequence) => sequence.id === id);
    }

    frames(id: string): Promise<Frame[]> {
        const entry = this.entry(id);
        if (!entry) return Promise.reject(new Error(`no sequence ${id}`));
        const known = this.loaded.get(id);
        const frames = known ?? json<{ frames: Frame[] }>(entry.href).then((file) => file.frames);
        // What was asked for last is kept longest; what failed is asked for again.
        this.loaded.delete(id);
        this.loaded.set(id, frames);
        frames.catch(() => this.loaded.delete(id));
        for (const oldest of this.loaded.keys()) {
            if (this.loaded.size <= KEPT) break;
            this.loaded.delete(oldest);
        }
        return frames;
    }

    /** The sequence and position of a picture: from the one that is named, else from whichever has it. */
    async find(picture: string, sequence: string | null): Promise<[string, number] | null> {
        const all = this.drive.sequences.map((entry) => entry.id);
        const order = sequence && all.includes(sequence) ? [sequence, ...all.filter((id) => id !== sequence)] : all;
        for (let at = 0; at < order.length; at += 4) {
            const some = order.slice(at, at + 4);
            const places = await Promise.all(
                some.map((id) => this.frames(id).then((frames) => frames.findIndex((frame) => frame.id === picture), () => -1)),
            );
            const hit = places.findIndex((place) => place >= 0);
            if (hit >= 0) return [some[hit]!, places[hit]!];
        }
        return null;
    }

    /** Streets, and whether they were driven; none where there is no such file. */
    async streets(): Promise<Street[]> {
        interface Feature {
            properties: Record<string, unknown> | null;
            geometry: { type: string; coordinates: unknown } | null;
        }
        const file = await json<{ features: Feature[] }>("coverage.geojson").catch(() => ({ features: [] }));
        return file.features.flatMap(({ properties, geometry }) => {
            if (!geometry) return [];
            const name = properties?.["name"];
            return [{ name: typeof name === "string" ? name : null, covered: properties?.["stand"] !== "fehlt", lines: lines(geometry) }];
        });
    }
}
