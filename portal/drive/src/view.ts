// The panorama: Photo Sphere Viewer with an adapter that takes pictures which are decoded already.

import { EquirectangularAdapter, SYSTEM, Viewer, utils } from "@photo-sphere-viewer/core";
import type { TextureData } from "@photo-sphere-viewer/core";
import type { Texture } from "three";
import "@photo-sphere-viewer/core/index.css";
import type { Frame } from "./data";

interface Decoded {
    path: string;
    image: HTMLImageElement;
}

class DecodedAdapter extends EquirectangularAdapter {
    static override readonly id = "decoded";

    override supportsPreload(): boolean {
        return false;
    }

    override loadTexture(panorama: unknown): Promise<TextureData<Texture, never>> {
        const { path, image } = panorama as Decoded;
        // What the picture's own tags say of its pose is in the frame; here it would count twice.
        const panoData = utils.mergePanoData(image.width, image.height, undefined, undefined);
        const texture = utils.createTexture(fitting(image), true);
        return Promise.resolve({ panorama, texture, panoData, cacheKey: path } as never);
    }
}

/** The picture, made smaller where the graphics card does not take it. */
function fitting(image: HTMLImageElement): HTMLImageElement | HTMLCanvasElement {
    const most = SYSTEM.maxTextureWidth;
    if (image.width <= most) return image;
    const canvas = document.createElement("canvas");
    canvas.width = most;
    canvas.height = Math.round((image.height * most) / image.width);
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas;
}

const RADIANS = Math.PI / 180;

export class View {
    private viewer: Viewer | null = null;
    private frame: Frame | null = null;
    private shown = "";
    /** Until the viewer stands with its first picture, it takes no other. */
    private ready: Promise<void> = Promise.resolve();

    /** `turned` is called when the direction of the view changes. */
    constructor(
        private readonly container: HTMLElement,
        private readonly flat: HTMLImageElement,
        private readonly turned: () => void,
    ) {}

    /** Shows a picture; `yaw` turns the view to a direction from the middle of the picture, degrees. */
    async show(frame: Frame, image: HTMLImageElement, yaw?: number): Promise<void> {
        if (this.shown === image.src && yaw === undefined) return;
        this.shown = image.src;
        this.frame = frame;
        const panorama: Decoded = { path: image.src, image };
        const sphereCorrection = { pan: 0, tilt: -(frame.pitch ?? 0) * RADIANS, roll: (frame.roll ?? 0) * RADIANS };
        const position = yaw === undefined ? undefined : { yaw: yaw * RADIANS, pitch: 0 };
        if (!this.flat.hidden) {
            this.flat.src = image.src;
            return;
        }
        if (this.viewer) {
            await this.ready;
            await this.viewer.setPanorama(panorama, { transition: false, showLoader: false, sphereCorrection, position });
            this.turned();
            return;
        }
        try {
            this.viewer = new Viewer({
                container: this.container,
                adapter: DecodedAdapter,
                panorama,
                sphereCorrection,
                defaultYaw: (yaw ?? 0) * RADIANS,
                defaultZoomLvl: 15,
                minFov: 20,
                maxFov: 100,
                navbar: false,
                keyboard: false,
                mousewheelCtrlKey: false,
                moveInertia: !matchMedia("(prefers-reduced-motion: reduce)").matches,
                lang: { loading: "", loadError: "Das Bild kann nicht geladen werden." },
            });
            const { viewer } = this;
            this.ready = new Promise((resolve) => viewer.addEventListener("ready", () => resolve(), { once: true }));
            await this.ready;
            this.viewer.addEventListener("position-updated", this.turned);
            this.viewer.addEventListener("zoom-updated", this.turned);
            this.turned();
        } catch {
            // Without WebGL the picture is still worth seeing.
            this.viewer = null;
            this.container.hidden = true;
            this.flat.hidden = false;
            this.flat.src = image.src;
        }
    }

    /** Where the view looks: degrees clockwise from north, and the width of what it shows. */
    get heading(): { azimuth: number; width: number } {
        const yaw = this.viewer?.getPosition().yaw ?? 0;
        const width = this.viewer?.state.hFov ?? 90;
        return { azimuth: ((this.frame?.azimuth ?? 0) + yaw / RADIANS + 360) % 360, width };
    }

    turn(degrees: number): void {
        const at = this.viewer?.getPosition();
        if (at) this.viewer?.rotate({ yaw: at.yaw + degrees * RADIANS, pitch: at.pitch });
    }

    /** Looks in a direction from the middle of the picture, degrees, at the horizon. */
    look(yaw: number): void {
        this.viewer?.rotate({ yaw: yaw * RADIANS, pitch: 0 });
    }

    zoom(step: number): void {
        if (this.viewer) this.viewer.zoom(this.viewer.getZoomLevel() + step);
    }

    get zoomed(): boolean {
        return (this.viewer?.getZoomLevel() ?? 0) > 45;
    }
}
