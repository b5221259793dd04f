import { spriteAt, spritesOf, type Sprite } from "./sprites";

const AGAIN_AFTER_MS = 20_000;

/** The small pictures of a film, asked for when somebody first points at the seek bar. */
export class Previews {
  #sprites = $state.raw<readonly Sprite[]>([]);
  #askedAtMs = -AGAIN_AFTER_MS;

  constructor(readonly baseUrl: string) {}

  /** Asks for them; later again, as those of a film that is still being fetched come only after a while. */
  async wish(): Promise<void> {
    const now = performance.now();
    if (this.#sprites.length > 0 || now - this.#askedAtMs < AGAIN_AFTER_MS) return;
    this.#askedAtMs = now;
    const answer = await fetch(`${this.baseUrl}/sprites.vtt`).catch(() => null);
    if (!answer?.ok) return;
    this.#sprites = spritesOf(await answer.text(), this.baseUrl);
  }

  at(timeS: number): Sprite | null {
    return spriteAt(this.#sprites, timeS);
  }
}
